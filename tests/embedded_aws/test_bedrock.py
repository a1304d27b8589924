"""Bedrock Runtime through boto3: what it answers, and that it is what botocore's service model says."""

import json
import socket
from itertools import islice
from time import monotonic

import botocore.session
import orjson
import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

SONNET = "us.anthropic.claude-sonnet-4-6"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
MODEL = botocore.session.get_session().get_service_model("bedrock-runtime")

STARTS_WITH_USER = (
    "A conversation must start with a user message. Try again with a conversation that starts with a user message."
)
HELLO = [{"role": "user", "content": [{"text": "Hello there"}]}]
TOOLS = [{"name": "f", "input_schema": {"type": "object"}}]
WEATHER = {
    "tools": [
        {
            "toolSpec": {
                "name": "get_weather",
                "description": "Tells the weather",
                "inputSchema": {
                    "json": {
                        "type": "object",
                        "properties": {
                            "city": {"type": "string"},
                            "days": {"type": "integer", "minimum": 1},
                            "unit": {"enum": ["celsius", "fahrenheit"]},
                        },
                        "required": ["city", "days", "unit"],
                    }
                },
            }
        }
    ]
}
ASK_WEATHER = [{"role": "user", "content": [{"text": "Weather in Bern?"}]}]


def claude(text="Hello there", max_tokens=100, **more):
    messages = [{"role": "user", "content": text}]
    return {"anthropic_version": "bedrock-2023-05-31", "max_tokens": max_tokens, "messages": messages, **more}


def nova(text="Hello there", max_tokens=100, **more):
    return {
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": {"maxTokens": max_tokens},
        **more,
    }


def invoke(aws, model_id, body):
    answer = aws.client().invoke_model(modelId=model_id, body=json.dumps(body))
    return answer, json.loads(answer["body"].read())


def invoke_stream(aws, model_id, body):
    answer = aws.client().invoke_model_with_response_stream(modelId=model_id, body=json.dumps(body))
    return [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]


def converse_stream(aws, model_id=SONNET, messages=HELLO, **more):
    return list(aws.client().converse_stream(modelId=model_id, messages=messages, **more)["stream"])


def text_of(events):
    return "".join(e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e)


def assert_fits(content, shape):
    """No unknown member, none missing, all of the right type: as botocore checks what is sent to AWS."""
    report = ParamValidator().validate(content, shape)
    assert not report.has_errors(), report.generate_report()


def refusal(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    error = caught.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"]["Message"]


# --- Converse ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model_id", [SONNET, HAIKU, NOVA, "amazon.nova-lite-v1:0"])
def test_converse_answers_what_the_service_model_says(aws, model_id):
    answer = aws.raw(f"/model/{model_id}/converse", {"messages": HELLO})
    assert answer.status == 200
    content = answer.json()
    assert_fits(content, MODEL.operation_model("Converse").output_shape)
    assert content["stopReason"] == "end_turn"
    assert content["usage"]["totalTokens"] == content["usage"]["inputTokens"] + content["usage"]["outputTokens"]
    extra = {name.lower() for name in answer.headers} - {"date", "content-type", "content-length"}
    assert extra == {"x-amzn-requestid"}


def test_the_same_text_has_the_same_tokens_and_the_same_answer(aws):
    first, second = (aws.client().converse(modelId=SONNET, messages=HELLO) for _ in range(2))
    assert first["usage"] == second["usage"]
    assert first["output"] == second["output"]


def test_more_text_has_more_tokens(aws):
    def input_tokens(**more):
        return aws.client().converse(modelId=SONNET, messages=HELLO, **more)["usage"]["inputTokens"]

    assert input_tokens() < input_tokens(system=[{"text": "Be brief."}]) < input_tokens(toolConfig=WEATHER)


def test_several_turns_and_blocks_are_taken_together(aws):
    messages = [
        {"role": "user", "content": [{"text": "One"}, {"text": "Two"}]},
        {"role": "assistant", "content": [{"text": "Three"}]},
        {"role": "user", "content": [{"text": "Four"}, {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}]},
    ]
    usage = aws.client().converse(modelId=SONNET, messages=messages)["usage"]
    assert usage["inputTokens"] > aws.client().converse(modelId=SONNET, messages=messages[:1])["usage"]["inputTokens"]


def test_max_tokens_ends_the_answer(aws):
    answer = aws.client().converse(modelId=SONNET, messages=HELLO, inferenceConfig={"maxTokens": 3})
    assert answer["stopReason"] == "max_tokens"
    assert answer["usage"]["outputTokens"] == 3
    whole = aws.client().converse(modelId=SONNET, messages=HELLO)["output"]["message"]["content"][0]["text"]
    assert whole.startswith(answer["output"]["message"]["content"][0]["text"])


def test_a_stop_sequence_ends_the_answer_before_it(aws):
    whole = aws.client().converse(modelId=SONNET, messages=HELLO)["output"]["message"]["content"][0]["text"]
    sequence = whole[10:14]
    answer = aws.client().converse(modelId=SONNET, messages=HELLO, inferenceConfig={"stopSequences": [sequence]})
    assert answer["stopReason"] == "stop_sequence"
    assert answer["output"]["message"]["content"][0]["text"] == whole[: whole.index(sequence)]


def test_a_tool_is_called_and_its_result_is_answered_in_words(aws):
    called = aws.client().converse(modelId=SONNET, messages=ASK_WEATHER, toolConfig=WEATHER)
    assert called["stopReason"] == "tool_use"
    block = called["output"]["message"]["content"][0]["toolUse"]
    assert block["name"] == "get_weather"
    assert block["input"] == {"city": "Weather in Bern?", "days": 1, "unit": "celsius"}
    result = {"toolResult": {"toolUseId": block["toolUseId"], "content": [{"json": {"degrees": 9}}]}}
    turns = [*ASK_WEATHER, called["output"]["message"], {"role": "user", "content": [result]}]
    answered = aws.client().converse(modelId=SONNET, messages=turns, toolConfig=WEATHER)
    assert answered["stopReason"] == "end_turn"
    assert answered["output"]["message"]["content"][0]["text"]


def test_a_profile_is_named_by_its_arn_as_well(aws):
    arn = f"arn:aws:bedrock:us-east-1:111111111111:inference-profile/{SONNET}"
    request_id = aws.client().converse(modelId=arn, messages=HELLO)["ResponseMetadata"]["RequestId"]
    assert aws.record(request_id)["modelId"] == SONNET


def test_a_foundation_model_is_named_by_its_arn_as_well(aws):
    arn = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"
    assert aws.client().converse(modelId=arn, messages=HELLO)["stopReason"] == "end_turn"


def test_an_id_may_come_raw_or_encoded(aws):
    for written in (HAIKU, HAIKU.replace(":", "%3A")):
        assert aws.raw(f"/model/{written}/converse", {"messages": HELLO}).status == 200


# --- streams ----------------------------------------------------------------------------------------------------


def test_converse_stream_says_the_same_as_converse(aws):
    events = converse_stream(aws)
    whole = aws.client().converse(modelId=SONNET, messages=HELLO)
    assert text_of(events) == whole["output"]["message"]["content"][0]["text"]
    kinds = [next(iter(event)) for event in events]
    assert kinds[0] == "messageStart"
    assert kinds[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    assert events[-1]["metadata"]["usage"] == whole["usage"]
    assert events[-2]["messageStop"]["stopReason"] == "end_turn"


def test_every_frame_of_a_stream_fits_the_service_model(aws):
    answer = aws.raw(f"/model/{SONNET}/converse-stream", {"messages": HELLO, "inferenceConfig": {"maxTokens": 4}})
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    buffer = EventStreamBuffer()
    buffer.add_data(answer.data)
    shape = MODEL.operation_model("ConverseStream").output_shape.members["stream"]
    for message in buffer:
        payload = orjson.loads(message.payload)
        assert payload.pop("p")  # padding, which real frames have and the model does not name
        assert list(message.headers) == [":event-type", ":content-type", ":message-type"]
        assert_fits({message.headers[":event-type"]: payload}, shape)


def test_a_streamed_tool_call_is_json_in_pieces(aws):
    events = converse_stream(aws, messages=ASK_WEATHER, toolConfig=WEATHER)
    start = next(e["contentBlockStart"]["start"]["toolUse"] for e in events if "contentBlockStart" in e)
    assert start["name"] == "get_weather"
    pieces = [e["contentBlockDelta"]["delta"]["toolUse"]["input"] for e in events if "contentBlockDelta" in e]
    assert json.loads("".join(pieces))["city"] == "Weather in Bern?"


def test_frames_come_when_they_are_due(start):
    paced = {"first_token_ms": {"median": 60, "p99": 60}, "per_token_ms": 20}
    aws = start(latency=paced, answer_tokens={"min": 10, "max": 10})
    asked_at = monotonic()
    stream = aws.client().converse_stream(modelId=SONNET, messages=HELLO)["stream"]
    arrivals = [monotonic() - asked_at for event in stream if "contentBlockDelta" in event]
    # Lower bounds only: a busy machine may make them later, nothing makes them earlier.
    assert len(arrivals) == 10
    assert all(arrived >= 0.055 + 0.02 * number for number, arrived in enumerate(arrivals))


def test_a_frame_does_not_wait_for_the_next_one(start):
    aws = start(latency={"first_token_ms": {"median": 60, "p99": 60}, "per_token_ms": 3_600_000})
    stream = aws.client().converse_stream(modelId=SONNET, messages=HELLO)["stream"]
    assert [next(iter(event)) for event in islice(stream, 2)] == ["messageStart", "contentBlockDelta"]
    stream.close()


@pytest.mark.parametrize("streams", [True, False])
def test_a_client_that_goes_away_is_answered_counted_and_logged_all_the_same(start, streams):
    slow = {"first_token_ms": {"median": 100, "p99": 100}, "per_token_ms": 10}
    aws = start(latency=slow, answer_tokens={"min": 20, "max": 20})
    path = f"/model/{SONNET}/converse-stream" if streams else f"/model/{SONNET}/converse"
    body = json.dumps({"messages": HELLO}).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in aws.signed(path, body).items())
    host, port = aws.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(f"POST {path} HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        if streams:
            assert raw.recv(100)
    deadline = monotonic() + 60
    while not (records := aws.records(query="fields output.outputTokenCount")):
        assert monotonic() < deadline
    assert records[0]["output.outputTokenCount"] == "20"


# --- InvokeModel ------------------------------------------------------------------------------------------------


def test_claude_speaks_the_messages_api(aws):
    answer, content = invoke(aws, SONNET, claude())
    assert content["type"] == "message"
    assert content["model"] == "claude-sonnet-4-6"
    assert content["id"].startswith("msg_bdrk_01")
    assert content["content"][0]["type"] == "text"
    assert content["stop_reason"] == "end_turn"
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-bedrock-input-token-count"] == str(content["usage"]["input_tokens"])
    assert headers["x-amzn-bedrock-output-token-count"] == str(content["usage"]["output_tokens"])
    assert headers["x-amzn-bedrock-invocation-latency"] == "0"


def test_claude_stops_and_calls_tools(aws):
    text = invoke(aws, SONNET, claude())[1]["content"][0]["text"]
    stopped = invoke(aws, SONNET, claude(stop_sequences=[text[5:9]]))[1]
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", text[5:9])
    assert invoke(aws, SONNET, claude(max_tokens=2))[1]["stop_reason"] == "max_tokens"
    tools = [{"name": "look_up", "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}}}]
    called = invoke(aws, SONNET, claude(tools=tools))[1]
    assert called["stop_reason"] == "tool_use"
    block = called["content"][0]
    assert (block["type"], block["name"], block["input"]) == ("tool_use", "look_up", {"q": "Hello there"})
    turns = [
        {"role": "user", "content": "Hello there"},
        {"role": "assistant", "content": called["content"]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": block["id"], "content": "found"}]},
    ]
    assert invoke(aws, SONNET, claude(tools=tools) | {"messages": turns})[1]["stop_reason"] == "end_turn"


def test_claude_streams_the_messages_api(aws):
    events = invoke_stream(aws, SONNET, claude())
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    assert text == invoke(aws, SONNET, claude())[1]["content"][0]["text"]
    metrics = events[-1]["amazon-bedrock-invocationMetrics"]
    assert metrics["outputTokenCount"] == events[-2]["usage"]["output_tokens"]


def test_nova_speaks_its_own_words(aws):
    content = invoke(aws, NOVA, nova())[1]
    assert set(content) == {"output", "stopReason", "usage"}
    assert content["usage"]["cacheReadInputTokenCount"] == 0
    events = invoke_stream(aws, NOVA, nova())
    assert events[0] == {"messageStart": {"role": "assistant"}}
    assert text_of(events) == content["output"]["message"]["content"][0]["text"]
    assert events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == content["usage"]["outputTokens"]


# --- the invocation log -----------------------------------------------------------------------------------------


def test_converse_is_logged_in_the_schema_of_the_invocation_log(aws):
    answer = aws.client().converse(
        modelId=SONNET, messages=HELLO, inferenceConfig={"maxTokens": 9}, requestMetadata={"run": "r1"}
    )
    record = aws.record(answer["ResponseMetadata"]["RequestId"])
    assert record.pop("timestamp").endswith("Z")
    assert record.pop("inferenceRegion") in ("us-east-1", "us-east-2", "us-west-2")
    assert record == {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "accountId": "111111111111",
        "identity": {"arn": "arn:aws:iam::111111111111:user/gateway"},
        "region": "us-east-1",
        "requestId": answer["ResponseMetadata"]["RequestId"],
        "operation": "Converse",
        "modelId": SONNET,
        "requestMetadata": {"run": "r1"},
        "input": {
            "inputContentType": "application/json",
            "inputBodyJson": {"messages": HELLO, "inferenceConfig": {"maxTokens": 9}},
            "inputTokenCount": answer["usage"]["inputTokens"],
            "cacheReadInputTokenCount": 0,
            "cacheWriteInputTokenCount": 0,
        },
        "output": {
            "outputContentType": "application/json",
            "outputBodyJson": {
                "output": answer["output"],
                "stopReason": answer["stopReason"],
                "usage": answer["usage"],
                "metrics": answer["metrics"],
            },
            "outputTokenCount": answer["usage"]["outputTokens"],
        },
    }


def test_each_operation_is_logged_its_own_way(aws):
    client = aws.client()
    streamed = client.converse_stream(modelId=SONNET, messages=HELLO)
    events = list(streamed["stream"])
    record = aws.record(streamed["ResponseMetadata"]["RequestId"])
    assert record["operation"] == "ConverseStream"
    assert record["output"]["outputBodyJson"]["output"]["message"]["content"][0]["text"] == text_of(events)

    answer, content = invoke(aws, SONNET, claude())
    record = aws.record(answer["ResponseMetadata"]["RequestId"])
    assert record["modelId"] == f"arn:aws:bedrock:us-east-1:111111111111:inference-profile/{SONNET}"
    assert record["input"]["inputBodyJson"] == claude()
    assert record["output"]["outputBodyJson"] == content

    answer = client.invoke_model_with_response_stream(modelId=SONNET, body=json.dumps(claude()))
    chunks = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    record = aws.record(answer["ResponseMetadata"]["RequestId"])
    assert record["output"]["outputBodyJson"] == chunks


def test_an_on_demand_call_has_no_inference_region(aws):
    answer = aws.client().converse(modelId="amazon.nova-lite-v1:0", messages=HELLO)
    assert "inferenceRegion" not in aws.record(answer["ResponseMetadata"]["RequestId"])


def test_invoke_model_takes_its_metadata_from_a_header(aws):
    answer = aws.client().invoke_model(modelId=SONNET, body=json.dumps(claude()), requestMetadata='{"run": "r2"}')
    assert aws.record(answer["ResponseMetadata"]["RequestId"])["requestMetadata"] == {"run": "r2"}


def test_large_bodies_are_not_in_the_log_but_their_tokens_are(aws):
    long = [{"role": "user", "content": [{"text": "word " * 30_000}]}]
    answer = aws.client().converse(modelId=SONNET, messages=long)
    record = aws.record(answer["ResponseMetadata"]["RequestId"])
    assert "inputBodyJson" not in record["input"]
    assert record["input"]["inputTokenCount"] == answer["usage"]["inputTokens"]
    assert record["output"]["outputBodyJson"]


def test_without_text_delivery_only_metadata_and_counts_are_logged(start):
    aws = start(invocation_logging={"text": False, "delivery_delay_s": 0})
    answer = aws.client().converse(modelId=SONNET, messages=HELLO)
    record = aws.record(answer["ResponseMetadata"]["RequestId"])
    assert set(record["output"]) == {"outputTokenCount"}
    assert record["input"]["inputTokenCount"] == answer["usage"]["inputTokens"]


# --- refusals ---------------------------------------------------------------------------------------------------


def test_unknown_and_unreachable_models(aws):
    invalid = (400, "ValidationException", "The provided model identifier is invalid.")
    client = aws.client()
    foreign = f"arn:aws:bedrock:us-east-1:222222222222:inference-profile/{SONNET}"
    elsewhere = f"arn:aws:bedrock:us-west-2:111111111111:inference-profile/{SONNET}"
    for model_id in (
        "us.anthropic.claude-unknown",
        "anthropic.nothing",
        "eu.anthropic.claude-sonnet-4-6",
        foreign,
        elsewhere,
    ):
        assert refusal(client.converse, modelId=model_id, messages=HELLO) == invalid
    status, code, message = refusal(client.converse, modelId="anthropic.claude-sonnet-4-6", messages=HELLO)
    assert (status, code) == (400, "ValidationException")
    assert message == (
        "Invocation of model ID anthropic.claude-sonnet-4-6 with on-demand throughput isn't supported. Retry your "
        "request with the ID or ARN of an inference profile that contains this model."
    )


def test_a_call_that_the_policy_does_not_allow(start):
    aws = start(regions=["us-east-1", "us-west-2"])
    status, code, message = refusal(
        aws.client(region="eu-west-1").converse, modelId="eu.anthropic.claude-sonnet-4-6", messages=HELLO
    )
    assert (status, code) == (403, "AccessDeniedException")
    assert message == (
        "User: arn:aws:iam::111111111111:user/gateway is not authorized to perform: bedrock:InvokeModel on resource: "
        "arn:aws:bedrock:eu-west-1:111111111111:inference-profile/eu.anthropic.claude-sonnet-4-6 because no "
        "identity-based policy allows the bedrock:InvokeModel action"
    )


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        (
            [{"role": "assistant", "content": [{"text": "Hi"}]}],
            STARTS_WITH_USER,
        ),
        (
            [*HELLO, *HELLO],
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
            "between user and assistant roles and try again.",
        ),
        (
            [{"role": "user", "content": [{"text": " "}]}],
            "The text field in the ContentBlock object at messages.0.content.0 is blank. Add text to the text field, "
            "and try again.",
        ),
        (
            [{"role": "user", "content": []}],
            "The content field in the Message object at messages.0 is empty. Add a ContentBlock object to the content "
            "field and try again.",
        ),
        (
            [*HELLO, {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "f", "input": {}}}]}],
            "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
        ),
    ],
)
def test_conversations_that_bedrock_does_not_take(aws, messages, message):
    assert refusal(aws.client().converse, modelId=SONNET, messages=messages) == (400, "ValidationException", message)


def test_tool_results_answer_the_calls_before_them(aws):
    used = {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {}}}
    turns = [*HELLO, {"role": "assistant", "content": [used]}]
    unanswered = [*turns, *HELLO]
    message = refusal(aws.client().converse, modelId=SONNET, messages=unanswered, toolConfig=WEATHER)[2]
    assert message == "Expected toolResult blocks at messages.2.content for the following Ids: t1"
    results = [{"toolResult": {"toolUseId": name, "content": [{"text": "x"}]}} for name in ("t1", "t2")]
    too_many = [*turns, {"role": "user", "content": results}]
    message = refusal(aws.client().converse, modelId=SONNET, messages=too_many, toolConfig=WEATHER)[2]
    assert message.startswith("The number of toolResult blocks at messages.2.content exceeds")


def test_more_tokens_than_the_model_can_give(aws):
    config = {"maxTokens": 64_001}
    message = refusal(aws.client().converse, modelId=SONNET, messages=HELLO, inferenceConfig=config)[2]
    assert message == (
        "The maximum tokens you requested exceeds the model limit of 64000. Try again with a maximum tokens value that "
        "is lower than 64000."
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": None}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ({"anthropic_version": "2023-01-01"}, "anthropic_version: Input should be 'bedrock-2023-05-31'"),
        ({"model": "x"}, "model: Extra inputs are not permitted"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages: text content blocks must be non-empty"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
        ({"tools": [{}]}, "tools.0.name: Field required"),
        ({"tools": TOOLS, "tool_choice": {"type": "tool", "name": "g"}}, "Tool 'g' not found in provided tools"),
        ({"tools": TOOLS, "tool_choice": {"type": "tool", "name": ["f"]}}, "tool_choice.tool.name: Field required"),
        ({"tools": TOOLS, "tool_choice": {"type": "tool", "name": {}}}, "tool_choice.tool.name: Field required"),
        ({"temperature": 2}, "temperature: range: 0..1"),
    ],
)
def test_claude_bodies_that_the_messages_api_does_not_take(aws, change, message):
    assert refusal(invoke, aws, SONNET, claude() | change) == (400, "ValidationException", message)


def test_nova_bodies_that_nova_does_not_take(aws):
    assert refusal(invoke, aws, NOVA, {"inferenceConfig": {}})[2] == (
        "Malformed input request: #: required key [messages] not found, please reformat your input and try again."
    )
    assert refusal(invoke, aws, NOVA, nova(top_k=3))[2] == (
        "Malformed input request: #: extraneous key [top_k] is not permitted, please reformat your input and try again."
    )


# --- requests that botocore would not build ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"{", "SerializationException", "The request body is not a JSON object."),
        (b"[]", "SerializationException", "The request body is not a JSON object."),
        (b"[" * 5_000 + b"]" * 5_000, "SerializationException", "The request body is not a JSON object."),
        ({"messages": "hi"}, "SerializationException", "Unexpected STRING_VALUE found where a list was expected"),
        (
            {"messages": HELLO, "inferenceConfig": {"maxTokens": "9"}},
            "SerializationException",
            "STRING_VALUE can not be converted to an Integer",
        ),
        (
            {"messages": HELLO, "inferenceConfig": {"maxTokens": 0}},
            "ValidationException",
            "1 validation error detected: Value '0' at 'inferenceConfig.maxTokens' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        (
            {"messages": [{"role": "robot"}]},
            "ValidationException",
            "2 validation errors detected: Value null at 'messages.1.member.content' failed to satisfy constraint: "
            "Member must not be null; Value 'robot' at 'messages.1.member.role' failed to satisfy constraint: Member "
            "must satisfy enum value set: [user, assistant, system]",
        ),
        (
            {},
            "ValidationException",
            STARTS_WITH_USER,
        ),
    ],
)
def test_what_aws_says_to_bodies_of_the_wrong_shape(aws, body, code, message):
    answer = aws.raw(f"/model/{SONNET}/converse", body)
    assert (answer.status, answer.json()) == (400, {"message": message})
    assert answer.headers["x-amzn-errortype"] == f"{code}:http://internal.amazon.com/coral/com.amazon.bedrock/"


@pytest.mark.parametrize(
    "path", ["/model/x/explode", "/model/converse", "/models", "/model//converse", "/foo/converse", f"/{SONNET}/invoke"]
)
def test_paths_without_an_operation(aws, path):
    answer = aws.raw(path, {})
    assert answer.status == 404
    assert answer.headers["x-amzn-errortype"].startswith("UnknownOperationException")


def test_a_get_is_no_invocation(aws):
    assert aws.raw(f"/model/{SONNET}/converse", method="GET").status == 404


def test_a_body_of_more_than_25_mb_is_refused(aws):
    answer = aws.raw(f"/model/{SONNET}/invoke", b"x" * 25_000_001)
    assert answer.status == 400
    assert "less than or equal to 25000000" in answer.json()["message"]
