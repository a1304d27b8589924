"""Other providers than Bedrock, judged by OpenAI's own client; Anthropic's protocol by its documented events."""

import json

import openai
import pytest
import urllib3

HELLO = [{"role": "user", "content": "Hello, how are you?"}]
HTTP = urllib3.PoolManager(retries=False)
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def client(aws):
    return openai.OpenAI(api_key="any", base_url=f"{aws.url}/_providers/openai/v1", max_retries=0)


@pytest.fixture
def azure(aws):
    return openai.AzureOpenAI(
        api_key="any", azure_endpoint=f"{aws.url}/_providers/azure", api_version="2025-01-01-preview", max_retries=0
    )


def test_a_chat_completion(client):
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO, max_tokens=5)
    assert answer.model == "gpt-4o"
    assert answer.choices[0].finish_reason == "length"
    assert len(answer.choices[0].message.content.split()) >= 3
    assert answer.usage.completion_tokens == 5
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 5
    assert answer._request_id.startswith("req_")


def test_a_stream_says_the_same_and_its_usage_where_that_is_asked_for(client):
    whole = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)
    asked = list(
        client.chat.completions.create(
            model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert asked[-1].choices == []
    assert asked[-1].usage == whole.usage


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_and_its_result_is_answered(client, stream):
    asked = {"model": "gpt-4o", "messages": HELLO, "tools": [TOOL]}
    if stream:
        deltas = [chunk.choices[0].delta for chunk in client.chat.completions.create(**asked, stream=True)]
        calls = [call for delta in deltas for call in delta.tool_calls or ()]
        name, arguments = calls[0].function.name, "".join(call.function.arguments for call in calls)
    else:
        message = client.chat.completions.create(**asked).choices[0].message
        assert message.content is None
        name, arguments = message.tool_calls[0].function.name, message.tool_calls[0].function.arguments
    assert name == "weather"
    assert json.loads(arguments).keys() == {"city"}
    after = [*HELLO, {"role": "tool", "tool_call_id": "call_1", "content": "rain"}]
    assert client.chat.completions.create(model="gpt-4o", messages=after, tools=[TOOL]).choices[0].message.content


def test_a_json_schema_is_kept(client):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    answer = client.chat.completions.create(
        model="gpt-4o",
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "number", "schema": schema}},
    )
    assert json.loads(answer.choices[0].message.content) == {"n": 0}
    assert answer.choices[0].finish_reason == "stop"


def test_embeddings_are_unit_vectors_and_the_same_for_the_same_text(client):
    one, two, again = client.embeddings.create(model="text-embedding-3-small", input=["a", "b", "a"]).data
    assert len(one.embedding) == 1536
    assert one.embedding == again.embedding != two.embedding
    assert sum(number * number for number in one.embedding) == pytest.approx(1, abs=1e-3)


def test_azure_has_the_model_in_the_path(azure, aws):
    answer = azure.chat.completions.create(model="my-deployment", messages=HELLO, max_tokens=3)
    assert answer.usage.completion_tokens == 3
    calls = aws.admin("providers")[1]["calls"]
    assert {"provider": "azure", "model": "my-deployment", "status": 200, "calls": 1} in calls


def test_what_is_wrong_is_refused_in_openais_words(client, aws):
    with pytest.raises(openai.BadRequestError, match="Missing required parameter: 'messages'"):
        client.chat.completions.create(model="gpt-4o", messages=[])
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "word " * 200_000}])
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError):
        client.images.generate(model="dall-e-3", prompt="a cat")
    answer = HTTP.request("POST", f"{aws.url}/_providers/openai/v1/chat/completions", body=b"{}")
    assert answer.status == 401
    answer = HTTP.request(
        "POST", f"{aws.url}/_providers/openai/v1/chat/completions", body=b"{", headers={"authorization": "Bearer x"}
    )
    assert answer.status == 400
    assert HTTP.request("GET", f"{aws.url}/_providers/nobody/v1/models").status == 404


def test_a_quota_is_kept_and_says_when_to_come_again(start):
    limited = start(providers={"openai": {"rpm": 2}}, quota_window="sliding")
    client = openai.OpenAI(api_key="any", base_url=f"{limited.url}/_providers/openai/v1", max_retries=0)
    first = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO, max_tokens=1)
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    client.chat.completions.create(model="gpt-4o", messages=HELLO, max_tokens=1)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=HELLO, max_tokens=1)
    assert caught.value.code == "rate_limit_exceeded"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60
    client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, max_tokens=1)  # another model's own


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "throttle"}, openai.RateLimitError),
        ({"kind": "error", "error": "ServiceUnavailableException"}, openai.InternalServerError),
        ({"kind": "error", "error": "AccessDeniedException"}, openai.PermissionDeniedError),
        ({"kind": "connection_reset"}, openai.APIConnectionError),
    ],
)
def test_faults_strike_the_provider_that_they_name(aws, client, azure, fault, error):
    with aws.fault(**fault, provider="openai"):
        with pytest.raises(error):
            client.chat.completions.create(model="gpt-4o", messages=HELLO, max_tokens=1)
        azure.chat.completions.create(model="gpt-4o", messages=HELLO, max_tokens=1)
        aws.client().converse(
            modelId="us.anthropic.claude-sonnet-4-6", messages=[{"role": "user", "content": [{"text": "Hi"}]}]
        )
    with aws.fault(**fault):  # AWS's own, as faults were before there were others
        client.chat.completions.create(model="gpt-4o", messages=HELLO, max_tokens=1)


def test_streams_break(aws, client):
    def received(**fault):
        texts = []
        with aws.fault(**fault, provider="openai"):
            try:
                for chunk in client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True):
                    texts.append(chunk.choices[0].delta.content or "")
            except openai.APIError as error:
                return len([text for text in texts if text]), type(error)
        return len([text for text in texts if text]), chunk.choices[0].finish_reason

    assert received(kind="stream_cut", after_tokens=3) == (3, None)
    assert received(kind="stream_error", after_tokens=2) == (2, openai.APIError)


def messages(aws, stream=False, key="any", **content):
    body = {"model": "claude-sonnet-4-6", "max_tokens": 4, "messages": HELLO, "stream": stream, **content}
    return HTTP.request(
        "POST",
        f"{aws.url}/_providers/anthropic/v1/messages",
        body=json.dumps({name: value for name, value in body.items() if value is not None}),
        headers={"x-api-key": key, "anthropic-version": "2023-06-01"} if key else {},
    )


def test_anthropics_messages(aws):
    answer = messages(aws)
    content = answer.json()
    assert answer.headers["request-id"].startswith("req_")
    assert content["type"] == "message"
    assert content["stop_reason"] == "max_tokens"
    assert content["usage"]["output_tokens"] == 4
    events = [
        json.loads(line[6:]) for line in messages(aws, stream=True).data.splitlines() if line.startswith(b"data: ")
    ]
    assert [event["type"] for event in events] == [
        "message_start", "content_block_start", *["content_block_delta"] * 4, "content_block_stop", "message_delta",
        "message_stop",
    ]  # fmt: skip
    assert "".join(e["delta"]["text"] for e in events[2:6]) == content["content"][0]["text"]
    assert events[-2]["usage"]["output_tokens"] == 4


def test_anthropics_errors(aws):
    assert messages(aws, key="").json()["error"]["type"] == "authentication_error"
    assert messages(aws, max_tokens=None).json()["error"] == {
        "type": "invalid_request_error", "message": "max_tokens: Field required",
    }  # fmt: skip
    with aws.fault(kind="error", error="ServiceUnavailableException", provider="anthropic"):
        answer = messages(aws)
    assert (answer.status, answer.json()["error"]["type"]) == (529, "overloaded_error")
    with aws.fault(kind="throttle", provider="anthropic"):
        answer = messages(aws)
    assert (answer.status, answer.json()["error"]["type"]) == (429, "rate_limit_error")
    assert answer.headers["retry-after"] == "1"
