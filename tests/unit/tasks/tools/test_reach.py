import json

import pytest

from tasks.tools.reach import Trouble, ask, parse

TROUBLE = Trouble("Redis", "10.0.0.1:6379", "172.30.0.2", "refused", "redis", "ConnectionError")


def test_the_program_is_one_argument_and_each_port_is_asked_once() -> None:
    program, option, text, *ports = ask([5436, 5433, 5436])
    assert (program, option, ports) == ("python3", "-c", ["5436", "5433"])
    compile(text, "program", "exec")


def test_the_answer_is_the_last_line() -> None:
    assert parse("a warning\n[]\n") == []
    fields = {name: getattr(TROUBLE, name) for name in Trouble.__slots__}
    assert parse(f"a warning\n{json.dumps([fields])}\n") == [TROUBLE]


@pytest.mark.parametrize("output", ["", "Traceback (most recent call last):\nModuleNotFoundError"])
def test_what_is_no_answer_is_not_taken_for_one(output: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        parse(output)


# As rclone's, AWS and MinIO answer who shows no keys; as nginx, squid and a balancer answer.
S3 = [
    'Content-Type: application/xml\n\n<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code>',
    "X-Amz-Request-Id: 17C\nServer: MinIO\n\n",
    "x-amz-request-id: 8F\nLocation: https://aws.amazon.com/s3/\n\n",
    "Server: x\n\n<Error>\n  <Code>SlowDown</Code><RequestId>1</RequestId></Error>",
]
OTHERS = [
    "Server: nginx\n\n<html><head><title>502 Bad Gateway</title></head></html>",
    "Server: squid\nX-Squid-Error: ERR_DNS_FAIL 0\n\n<html>",
    "x-request-id: 5b\n\nupstream connect error",
    "\n\n",
]


@pytest.mark.parametrize("code", [200, 307, 403, 502, 503, 504])
def test_only_an_answer_of_an_s3_service_is_one_of_the_store(code: int) -> None:
    def parsed(said: str) -> list[Trouble]:
        fields = {"server": "the object store", "at": "s3:80", "own": "", "kind": "http"}
        return parse(json.dumps([{**fields, "said": said, "code": code}]))

    assert [parsed(said) for said in S3] == [[]] * len(S3)
    for said in OTHERS:
        (found,) = parsed(said)
        assert found.said == f"what answers there (HTTP {code}) is no S3 service"
