"""Inventories as nobody would write them: any shape, any style, read by libyaml as Ansible does."""

import json
import re
from itertools import count
from random import Random
from typing import Any

import yaml

TEXTS = [
    "plain", "two words", "with: colon", "a # b", "it's", 'say "x"', "${admin_ip} x", "*.pigsty",
    "- dash", "{ brace", "[ bracket", "yes", "off", "0755", "12:30:45", "1e3", "~", "", "Grüße",
    "x" * 200, "10.0.0.0/8", "a,b", "%percent", "@at", "`tick`", "&and", "!bang", "trailing ",
]  # fmt: skip
COMMENTS = [
    "", "", "", " # note", "   # with: { all } - [kinds]", " #'\"", " # a\ttab", "  # 数据库：勿动",
]  # fmt: skip
TABBED = ["\t# 制表符", "\t", " \t # 密码: “x”"]
ALONE = ["# alone", "#- { name: old }", "# tab\there", "#", "", "# 生产环境，勿动：见 wiki"]
VAULTED = ("$ANSIBLE_VAULT;1.1;AES256", "6162636465666768")
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
WORDS = re.compile(r"y|n|yes|no|on|off|true|false|null", re.IGNORECASE)


def inventory(rng: Random, groups: dict[str, Any], variables: dict[str, Any]) -> str:
    """A file with these groups and variables among others."""
    children = [(f"other-{n}", _group(rng)) for n in range(rng.randrange(4))] + [*groups.items()]
    pairs = [(f"key_{n}", _value(rng, 3)) for n in range(rng.randrange(5))] + [*variables.items()]
    rng.shuffle(children)
    rng.shuffle(pairs)
    parts = [("children", dict(children)), ("vars", dict(pairs))]
    rng.shuffle(parts)
    writer = _Writer(rng)
    head = rng.choice(["", "", "---\n", "# head\n\n---\n"])
    body = "\n".join(writer.block({"all": dict(parts)}, 0))
    end = rng.choice(["", "\n", "\n\n\n", "\n# the end\n", "\n...\n"])
    text = rng.choice([*[""] * 9, "\ufeff"]) + head + body + end
    return text if rng.random() < 0.9 else text.replace("\n", "\r\n")


class Reader(yaml.CSafeLoader):
    """As Ansible's, which takes a vaulted string for what it is."""


Reader.add_constructor("!vault", Reader.construct_scalar)


def _group(rng: Random) -> dict[str, Any] | None:
    if rng.random() < 0.1:
        return None
    host = f"10.{rng.randrange(9)}.0.{rng.randrange(9)}"
    return {"hosts": {host: _value(rng, 1, mapping=True)}, "vars": _value(rng, 3, mapping=True)}


def _value(rng: Random, depth: int, *, mapping: bool = False) -> Any:
    kind = "mapping" if mapping else rng.choice(["text", "number", "bool", "list", "mapping"])
    size = rng.randrange(4)
    if kind == "mapping" and (depth or mapping):
        return {f"k{n}": _value(rng, max(depth - 1, 0)) for n in range(size)}
    if kind == "list" and depth:
        return [_value(rng, depth - 1) for _ in range(size)]
    if kind == "number":
        return rng.randrange(10_000)
    return rng.random() < 0.5 if kind == "bool" else rng.choice(TEXTS)


class _Writer:
    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.anchors: list[tuple[str, Any]] = []
        self.mappings: list[str] = []
        self.comments = COMMENTS + TABBED * (rng.random() < 0.2)
        self.numbers = count()

    def block(self, value: dict[str, Any], indent: int, *, free: bool = False) -> list[str]:
        """`free`: a mapping of nobody's, that another one may be merged into."""
        lines: list[str] = []
        step = self.rng.choice([1, 2, 2, 2, 4])
        if free and self.mappings and self.rng.random() < 0.3:
            lines.append(f"{' ' * indent}<<: *{self.rng.choice(self.mappings)}{self._comment()}")
        for key, item in value.items():
            if self.rng.random() < 0.15:
                lines.append(" " * self.rng.randrange(indent + 1) + self._alone())
            lines += self._pair(key, item, indent, step)
        return lines

    def _pair(self, key: str, value: Any, indent: int, step: int) -> list[str]:
        gap = " " * self.rng.choice([0, 0, 0, 3])
        head = f"{' ' * indent}{self._key(key)}{gap}:"
        free = str(key).startswith("k")
        if isinstance(value, dict) and value and self.rng.random() < 0.7:
            return self._mapping(head, value, indent + step, free=free)
        if isinstance(value, list) and value and self.rng.random() < 0.6:
            return self._list(head, value, indent, step)
        if free and isinstance(value, str) and self.rng.random() < 0.1:
            return [f"{head} !vault |", *(" " * (indent + step) + line for line in VAULTED)]
        if value is None and self.rng.random() < 0.5:
            return [head + self._comment()]
        if isinstance(value, str) and "\n" not in value and self.rng.random() < 0.1 and value:
            return (
                [f"{head} |-", f"{' ' * (indent + step)}{value}"]
                if value == value.strip()
                else [f"{head} {self.flow(value)}"]
            )
        return [f"{head} {self._anchored(value)}{self._comment()}"]

    def _mapping(self, head: str, value: dict[str, Any], indent: int, *, free: bool) -> list[str]:
        """In block style, now and then by a name that a later one may be merged by."""
        if not free or self.rng.random() < 0.7:
            return [head + self._comment(), *self.block(value, indent, free=free)]
        name = f"m{next(self.numbers)}"
        lines = [f"{head} &{name}{self._comment()}", *self.block(value, indent)]
        self.mappings.append(name)
        return lines

    def _list(self, head: str, value: list[Any], indent: int, step: int) -> list[str]:
        """With dashes, or in brackets over several lines; comments stand between the items."""
        inner = " " * (indent + step)
        alone = [inner + self._alone() for _ in range(self.rng.choice([0, 0, 1, 2]))]
        if self.rng.random() < 0.2:
            items = [f"{inner}{self.flow(item)}," for item in value]
            return [f"{head} [", *items[:1], *alone, *items[1:], f"{inner}]"]
        dash = indent + self.rng.choice([0, step])
        first, *rest = (self._item(item, dash) for item in value)
        return [head + self._comment(), *first, *alone, *(line for item in rest for line in item)]

    def _item(self, value: Any, indent: int) -> list[str]:
        if isinstance(value, dict) and value and self.rng.random() < 0.4:
            width = self.rng.choice([2, 2, 4])
            lines = [line for k, v in value.items() for line in self._pair(k, v, indent + width, 2)]
            lines[0] = f"{' ' * indent}-{' ' * (width - 1)}{lines[0].lstrip()}"
            return lines
        return [f"{' ' * indent}- {self.flow(value)}{self._comment()}"]

    def flow(self, value: Any) -> str:
        rng = self.rng
        comma = rng.choice([", ", " ,", ","]) if not isinstance(value, list) else ", "
        pad = rng.choice(["", " "])
        if isinstance(value, dict):
            pairs = [f"{self._key(k)}: {self.flow(v)}" for k, v in value.items()]
            last = rng.choice(["", ","]) if pairs else ""
            return "{" + pad + comma.join(pairs) + last + pad + "}"
        if isinstance(value, list):
            return "[" + pad + comma.join(map(self.flow, value)) + pad + "]"
        return self._scalar(value)

    def _anchored(self, value: Any) -> str:
        """Now and then a value with a name, or one that has a name already by that."""
        rng = self.rng
        known = [
            name for name, other in self.anchors if other == value and type(other) is type(value)
        ]
        if known and rng.random() < 0.5 and not isinstance(value, dict | list):
            return f"*{known[0]}"
        if isinstance(value, str | int) and rng.random() < 0.1:
            self.anchors.append((f"a{len(self.anchors)}", value))
            return f"&{self.anchors[-1][0]} {self.flow(value)}"
        return self.flow(value)

    def _scalar(self, value: Any) -> str:
        rng = self.rng
        if value is None:
            return rng.choice(["null", "~"])
        if isinstance(value, bool):
            return rng.choice(["true", "yes"] if value else ["false", "no"])
        if isinstance(value, int):
            return str(value)
        if PLAIN.fullmatch(value) and not WORDS.fullmatch(value) and rng.random() < 0.6:
            return value
        if rng.random() < 0.5:
            return "'" + value.replace("'", "''") + "'"
        return json.dumps(value, ensure_ascii=False)

    def _key(self, key: Any) -> str:
        if self.rng.random() < 0.9 or isinstance(key, int):
            return str(key)
        return self.rng.choice([f'"{key}"', f"'{key}'"])

    def _comment(self) -> str:
        return self.rng.choice(self.comments)

    def _alone(self) -> str:
        return self.rng.choice(ALONE)
