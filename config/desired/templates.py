"""Rendering of `config/templates`: an unknown name in one is an error, never an empty string."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_JINJA = Environment(  # noqa: S701 - configuration files, not HTML
    loader=PackageLoader("config"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(template: str, **values: Any) -> str:
    return _JINJA.get_template(template).render(**values)
