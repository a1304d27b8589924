"""CloudWatch Logs over HTTP: invocations are found by a boto3 program as it would find them on AWS."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

GROUP = "/aws/bedrock/modelinvocations"
SONNET = "us.anthropic.claude-sonnet-4-6"


def converse(aws: Any, run: str, **client: Any) -> str:
    answer = aws.client(**client).converse(
        modelId=SONNET, messages=[{"role": "user", "content": [{"text": "Hi!"}]}], requestMetadata={"run": run}
    )
    return answer["ResponseMetadata"]["RequestId"]


def test_invocations_are_found_by_run_with_their_region(aws: Any):
    sent = {converse(aws, "by-run") for _ in range(12)}
    rows = aws.records(query='filter requestMetadata.run = "by-run" | display requestId, modelId, inferenceRegion')
    assert {row["requestId"] for row in rows} == sent
    assert {row["modelId"] for row in rows} == {SONNET}
    by_region = aws.records(
        query='filter requestMetadata.run = "by-run" | stats count(*) as n by coalesce(inferenceRegion, region) as r'
    )
    assert {row["r"]: int(row["n"]) for row in by_region} == Counter(row["inferenceRegion"] for row in rows)


def test_accounts_and_source_regions_keep_their_own_logs(aws: Any):
    converse(aws, "apart")
    query = 'filter requestMetadata.run = "apart" | stats count(*) as n by @log, region'
    (row,) = aws.records(query=query)
    assert row == {"@log": f"111111111111:{GROUP}", "region": "us-east-1", "n": "1"}
    assert aws.records(profile="account-two", query=query) == []
    assert aws.records(region="us-west-2", query=query) == []


def test_what_is_not_delivered_yet_is_not_found(start: Any):
    delayed = start(invocation_logging={"delivery_delay_s": 3600})
    converse(delayed, "late")
    assert delayed.records() == []
    assert delayed.admin("journal/stats")[1]["records"] == 1


def test_queries_from_many_threads(aws: Any):
    sent = [converse(aws, "threads") for _ in range(4)]

    def ask(request_id: str) -> list[dict[str, str]]:
        return aws.records(query=f'filter requestId = "{request_id}" | stats count(*) as n')

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, sent * 10)) == [[{"n": "1"}]] * 40


def test_errors_are_those_of_aws(aws: Any):
    logs = aws.client("logs")
    times = {"startTime": 0, "endTime": 1}
    with pytest.raises(logs.exceptions.MalformedQueryException, match="symbol found ! at line 1 and position 9"):
        logs.start_query(logGroupName=GROUP, queryString="filter a ! b", **times)
    with pytest.raises(ClientError, match=r"AccessDeniedException.*logs:StartQuery on resource: .*:log-group:/other"):
        logs.start_query(logGroupName="/other", queryString="fields a", **times)
    with pytest.raises(ClientError, match="UnknownOperationException"):
        logs.create_log_group(logGroupName="/other")
    with pytest.raises(ClientError, match=r"AccessDeniedException|UnknownOperationException"):
        logs.filter_log_events(logGroupName=GROUP)


PROGRAM = """
import gevent.monkey; gevent.monkey.patch_all()
import boto3, gevent, time
logs = boto3.Session(profile_name="account-one", region_name="us-east-1").client("logs")
def ask(number):
    query = logs.start_query(logGroupName="/aws/bedrock/modelinvocations", startTime=0, endTime=4_000_000_000,
                             queryString='filter requestMetadata.run = "gevent" | stats count(*)', limit=100)
    while (answer := logs.get_query_results(queryId=query["queryId"]))["status"] != "Complete":
        time.sleep(0.01)
    return answer["results"][0][0]["value"]
jobs = [gevent.spawn(ask, number) for number in range(10)]
gevent.joinall(jobs, raise_error=True)
print(sorted(job.value for job in jobs))
"""


def test_an_unmodified_program_under_gevent(aws: Any):
    converse(aws, "gevent")
    environment = {"PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1", **aws.environment}
    program = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (program.stdout.strip(), program.returncode) == (str(["1"] * 10), 0), program.stderr
