"""The stack's `.env`: every setting and secret, quoted as Compose reads it."""

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from jinja2 import Environment as Jinja
from jinja2 import StrictUndefined, Template
from pydantic import SecretStr

from config.desired.services import INNER_API, active
from config.environment import Environment
from config.errors import StepError
from config.pigsty import sentinels
from config.release import S3, Release
from config.secrets import required

# Every file of the stack begins with this.
WRITTEN = "# Written by dify-rollout"
HEADER = f"{WRITTEN}; a change made here is shown as drift and replaced.\n"

_SECRET = re.compile(r"\bsecret\b")
_PLAIN = re.compile(r"[A-Za-z0-9_.,:/@%+{}-]*")
_ENTRY = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*[=:][ \t]*
    (?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<bare>[^\n]*))""",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
_COMMENT = re.compile(r"\s+#.*")
_ESCAPED = re.compile(r"\\([nrt\\\"$])")
_MEANT = {"n": "\n", "r": "\r", "t": "\t"}

_JINJA = Jinja(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - settings, not HTML
_JINJA.filters["urlencode"] = lambda text: quote(str(text), safe="")


def settings(
    environment: Environment, release: Release, secrets: Mapping[str, SecretStr]
) -> dict[str, str]:
    """Every key of `.env` and its value, in the order of the release.

    A secret the environment does not need, such as keys of a bucket it has left, stands in none.
    """
    needed = required(environment, release)
    context = {
        **environment.model_dump(),
        "public_url": environment.public_url,
        "inner_api": INNER_API,
        "running": list(active(environment, release)),
        "sentinels": sentinels(environment),
        "secret": {
            **dict.fromkeys(S3, ""),
            **{name: value.get_secret_value() for name, value in secrets.items() if name in needed},
        },
    }
    return {
        key: _compiled(template).render(context)
        for group in release.env.values()
        for key, template in group.items()
    }


def secret_keys(release: Release) -> frozenset[str]:
    """The keys whose value contains a secret."""
    return frozenset(
        key
        for group in release.env.values()
        for key, template in group.items()
        if _SECRET.search(template)
    )


def render(values: Mapping[str, str]) -> str:
    """The file's text. Raises StepError for a value no `.env` can hold."""
    return HEADER + "".join(f"{key}={_quoted(key, value)}\n" for key, value in values.items())


def parse(text: str) -> dict[str, str]:
    """Key → value as Compose reads it, but a `$NAME` typed by hand stays as it is."""
    values: dict[str, str] = {}
    for entry in _ENTRY.finditer(text):
        double, single, bare = entry["double"], entry["single"], entry["bare"]
        if double is not None:
            value = _ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), double)
        elif single is not None:
            value = single
        else:
            value = _COMMENT.sub("", bare.strip())
        values[entry["key"]] = value
    return values


@lru_cache(maxsize=1024)
def _compiled(template: str) -> Template:
    return _JINJA.from_string(template)


def _quoted(key: str, value: str) -> str:
    if not value.isprintable():
        raise StepError(
            "settings",
            f"the value of {key} holds a line break or another character that cannot be printed, "
            "which no .env file can carry to a container",
            advice="give it a value of printable characters",
        )
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
