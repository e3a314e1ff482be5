"""Tabs that stand between values: Ansible's reader (libyaml) takes them, ruamel's does not."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from ruamel.yaml.error import MarkedYAMLError

T = TypeVar("T")
_TABS = re.compile(r"\t[\t ]*")
# Where a line is indented, or begins an item, libyaml takes none either.
_INDENT = re.compile(r"\s*([-?]\s*)*")
_BETWEEN = re.compile(r".*[:,\[{]\s*")
_BEFORE_END = re.compile(r"(#.*)?\r?(\n|$)|:\s")


def despite_tabs(text: str, parse: Callable[[str], T]) -> T:
    """What `parse` makes of the text, with spaces for such tabs: every place stays what it is.

    Raises:
        MarkedYAMLError: it is no YAML for another reason.
    """
    while True:
        try:
            return parse(text)
        except MarkedYAMLError as error:
            at = _place(error, text)
            found = _TABS.match(text, at)
            if not found or not _separates(text, found):
                raise
            text = text[:at] + " " * len(found[0]) + text[found.end() :]


def _place(error: Any, text: str) -> int:
    return int(error.problem_mark.index) if error.problem_mark else len(text)


def _separates(text: str, tabs: re.Match[str]) -> bool:
    before = text[text.rfind("\n", 0, tabs.start()) + 1 : tabs.start()]
    if _INDENT.fullmatch(before):
        return False
    return bool(_BETWEEN.fullmatch(before) or _BEFORE_END.match(text, tabs.end()))
