"""The stack's `.env`: every setting and secret, quoted as Compose reads it."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from jinja2 import Environment as Jinja
from jinja2 import StrictUndefined
from pydantic import SecretStr

from config.desired.services import active
from config.environment import Environment
from config.errors import StepError
from config.release import Release
from config.secrets import S3

HEADER = "# Written by dify-rollout; a change made here is shown as drift and replaced.\n"
_LINE = re.compile(r"^(?P<key>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>.*)$")
_ESCAPED = re.compile(r"\\(.)")


def settings(
    environment: Environment, release: Release, secrets: Mapping[str, SecretStr]
) -> dict[str, str]:
    """Every key of `.env` and its value, in the order of the release."""
    jinja = Jinja(undefined=StrictUndefined, autoescape=False)  # noqa: S701
    jinja.filters["urlencode"] = lambda text: quote(str(text), safe="")
    context = {
        **environment.model_dump(),
        "public_url": environment.public_url,
        "running": list(active(environment, release)),
        "secret": {
            **dict.fromkeys(S3, ""),
            **{name: value.get_secret_value() for name, value in secrets.items()},
        },
    }
    return {
        key: jinja.from_string(template).render(context)
        for group in release.env.values()
        for key, template in group.items()
    }


def secret_keys(release: Release) -> frozenset[str]:
    """The keys whose value contains a secret."""
    return frozenset(
        key
        for group in release.env.values()
        for key, template in group.items()
        if "secret." in template
    )


def render(values: Mapping[str, str]) -> str:
    """The file's text. Raises StepError for a value no `.env` can hold."""
    return HEADER + "".join(f"{key}={_quoted(key, value)}\n" for key, value in values.items())


def parse(text: str) -> dict[str, str]:
    """Key → value, as Compose reads what `render` writes; bare values as people type them."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        if match := _LINE.match(line.strip()):
            values[match["key"]] = _unquoted(match["value"].strip())
    return values


def _quoted(key: str, value: str) -> str:
    if not value.isprintable():
        raise StepError(
            "settings",
            f".env: {key} holds a line break or control character",
            advice="use printable characters",
        )
    if re.fullmatch(r"[A-Za-z0-9_.,:/@%+{}-]*", value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        return _ESCAPED.sub(r"\1", value[1:-1])
    if len(value) > 1 and value[0] == value[-1] == "'":
        return value[1:-1]
    return value
