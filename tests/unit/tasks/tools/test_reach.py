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
