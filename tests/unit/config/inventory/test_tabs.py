"""Tabs where people put them, as libyaml takes them or not: Ansible reads by it."""

import pytest
import yaml

from config.desired.inventory.document import read
from config.desired.inventory.merge import problems
from config.errors import ConfigError

TAKEN = [
    "a: v\t# c", "a: v\t", "a: v\t \t", "a:\tv", "a: 'v'\t# c", "a: [1]\t# c", "a: {b: c}\t",
    "a:\t# c\n      b: 1", "a:\n    - x\t# c", "a: [1,\t2]", "a: |\t\n      x\t\n      y",
    '"a"\t: b', "a: 'x\ty'", "a: # x\ty\t", "a: v\t\r\n    b: c\t# d",
]  # fmt: skip
REFUSED = ["\ta: 1", "  \ta: 1", "a:\n    -\tx", "a:\n\t- b", "a: b\n\t# c"]


def inventory(line: str) -> str:
    return f"all:\n  children: {{}}\n  vars:\n    {line}\n    last: x\n"


@pytest.mark.parametrize("line", TAKEN)
def test_a_tab_between_values_is_none_of_them(line: str) -> None:
    text = inventory(line)
    assert read(text).tree == yaml.load(text, yaml.CSafeLoader)
    assert read(text).text == text
    assert problems(text) == []


@pytest.mark.parametrize("line", REFUSED)
def test_a_tab_that_ansible_refuses_is_refused(line: str) -> None:
    with pytest.raises(yaml.YAMLError):
        yaml.load(inventory(line), yaml.CSafeLoader)
    with pytest.raises(ConfigError, match=r"tab indents the line|'.t' that cannot start any token"):
        read(inventory(line))


def test_many_of_them_take_no_time() -> None:
    lines = "\n".join(f"    key_{n}: value\t\t# {n}" for n in range(60))
    assert len(read(f"all:\n  vars:\n{lines}\n").tree["all"]["vars"]) == 60
