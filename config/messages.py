"""How a failed validation becomes lines people can act on.

Each line reads `file: path.to.key: what is wrong; what is expected`.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from config.environment.model import PROBLEMS
from config.environment.moved import MOVED

Path = tuple[str, ...]
Model = type[BaseModel]

_SHOWN = 60
_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "path_type": "a path in quotes",
    "list_type": 'a list like ["a", "b"]',
    "dict_type": "a table like {{ name = value }}",
    "model_type": "a section",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "string_too_short": "at least {min_length} character",
    "too_short": "at least {min_length} entry",
    "string_too_long": "at most {max_length} characters",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "text like {pattern}",
}

_PLACE = re.compile(r"at line (\d+), column (\d+)")


def foreign_at(text: str, said: str) -> str:
    """The character at the place that TOML's reader names, where TOML has only ASCII outside of
    texts: word processors and Chinese keyboards write quotes and signs that look like its own.
    """
    if not (place := _PLACE.search(said)):
        return ""
    line, column = map(int, place.groups())
    found = "".join(text.split("\n")[line - 1][column - 1 : column])
    if found.isascii():
        return ""
    return f" at {found!r} ({unicodedata.name(found, 'a character without a name').lower()})"


@dataclass(frozen=True, slots=True)
class Complaint:
    """A problem of the key `path`; of several keys together if `agreement`."""

    path: Path
    message: str
    agreement: bool = False

    @classmethod
    def of(cls, problem: str, section: Path = ()) -> "Complaint":
        """From a rule's `key: what is wrong; what is expected`."""
        key, _, message = problem.partition(": ")
        return cls((*section, *key.split(".")), message, agreement=True)


def complaints(error: ValidationError, model: Model) -> Iterator[Complaint]:
    """Every problem of a failed validation."""
    for issue in error.errors():
        path = tuple(str(part) for part in issue["loc"])
        if issue["type"] == PROBLEMS:
            for problem in str(issue["msg"]).splitlines():
                yield Complaint.of(problem, path)
        else:
            yield Complaint(path, _sentence(issue, path, model))


def unknown_key(path: Path, model: Model) -> str:
    """What to say of a key the model does not have; its value may be a secret and is not shown."""
    if moved := MOVED.get(".".join(path)):
        return moved
    section = _section(model, path)
    keys = list(section.model_fields) if section else []
    if close := get_close_matches(path[-1], keys, n=1):
        return f"unknown key; did you mean {'.'.join((*path[:-1], close[0]))}?"
    if elsewhere := [key for key in known_keys(model) if key.split(".")[-1] == path[-1]]:
        return f"unknown key; did you mean {elsewhere[0]}?"
    return f"unknown key; expected one of: {', '.join(keys)}"


def known_keys(model: Model) -> Iterator[str]:
    """Every dotted path that has a line of its own in base.toml: a table in a section is one."""
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            yield from (f"{name}.{key}" for key in section.model_fields)
        else:
            yield name


def _sentence(issue: Mapping[str, Any], path: Path, model: Model) -> str:
    kind = issue["type"]
    if kind == "value_error":
        return str(issue["msg"]).removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return unknown_key(path, model)
    if kind == "missing":
        return "missing; expected a value"
    wanted = _WANTED.get(kind, str(issue["msg"])).format(**issue.get("ctx", {}))
    return f"{_shown(issue['input'])} is not allowed; expected {wanted}"


def _shown(value: object) -> str:
    """As TOML writes it, shortened."""
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _section(model: Model, path: Path) -> Model | None:
    """The model that should have had `path[-1]`."""
    found: Model | None = model
    names = iter(path[:-1])
    for name in names:
        field = found.model_fields.get(name) if found else None
        found = _model_in(field.annotation) if field else None
        if field and get_origin(field.annotation) in (dict, list):
            next(names, None)
    return found


def _model_in(annotation: Any) -> Model | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for part in get_args(annotation) if (inner := _model_in(part))), None)
