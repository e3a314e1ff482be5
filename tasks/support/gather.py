"""Everything somebody who helps from afar would ask for, as texts with no secret in them."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version

from config.errors import RolloutError
from config.load import ROOT
from config.rules.spellings import found, hidden
from tasks.core.side_by_side import answers
from tasks.core.site import Site
from tasks.support.machine import machine
from tasks.support.stack import stack

Texts = Mapping[str, str]
Ask = Callable[[], Texts]

_PACKAGES = ("dify-rollout", "prefect", "docker", "psycopg", "redis", "pydantic")


def gathered(site: Site, more: Mapping[str, Ask]) -> dict[str, str]:
    """Path → text. What cannot be asked says why in its place; `more`: folder → what else to ask.

    Raises:
        RolloutError: a text still holds a secret.
    """
    asked = {
        "": partial(_described, site),
        **{f"{each.node.name}/machine": partial(_machine, each) for each in site.on_each()},
        **{f"{each.node.name}/stack": partial(stack, each) for each in site.on_each()},
        "platform": partial(site.platform.papers, site),
        **more,
    }
    made = answers(_asked, asked.items(), len(asked))
    secrets = {name: value.get_secret_value() for name, value in site.secrets.items()}
    texts = {path: hidden(text, secrets.values()) for texts in made for path, text in texts.items()}
    _require_clean(texts, secrets)
    return texts


def _asked(item: tuple[str, Ask]) -> dict[str, str]:
    folder, ask = item
    try:
        texts = ask()
    except Exception as error:  # noqa: BLE001 - a report is asked for when things are broken
        said = str(error) or type(error).__name__
        return {f"{folder}/not-asked.txt".lstrip("/"): f"{said}\n"}
    return {f"{folder}/{name}".lstrip("/"): text for name, text in texts.items()}


def _described(site: Site) -> Texts:
    return {
        "versions.json": json.dumps({name: version(name) for name in _PACKAGES}, indent=2),
        "environment.json": site.environment.model_dump_json(indent=2),
        "environment.toml": (ROOT / f"config/environments/{site.name}.toml").read_text("utf-8"),
    }


def _machine(site: Site) -> Texts:
    return {"machine.txt": machine(site.node)}


def _require_clean(texts: Texts, secrets: Mapping[str, str]) -> None:
    for path, text in texts.items():
        if names := found(text, secrets):
            raise RolloutError(
                f"support: {path} would hold the secret {names[0]}; nothing was written. "
                "Expected every secret to be hidden: this is a defect, please report it"
            )
