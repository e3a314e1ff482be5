"""How files and environment variables become an Environment or a Release.

`base.toml` is laid under `<environment>.toml`, environment variables
`ROLLOUT__SECTION__KEY` over both. All problems are reported at once, each with
the file or variable it comes from.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource

from config.environment import Environment
from config.errors import ConfigError
from config.release import Release

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / "config" / "environments"
RELEASES = ROOT / "config" / "releases"
PREFIX = "ROLLOUT__"

Tree = dict[str, Any]
Origins = dict[tuple[str, ...], str]
M = TypeVar("M", bound=BaseModel)


def environment_names(folder: Path = ENVIRONMENTS) -> list[str]:
    """Every environment that has a file, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml") if path.stem != "base")


def release_names(folder: Path = RELEASES) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_environment(name: str, folder: Path = ENVIRONMENTS) -> Environment:
    """The environment `name`, checked, with all paths absolute.

    Raises:
        ConfigError: every problem of the files and variables, one line each.
    """
    if name not in environment_names(folder):
        known = ", ".join(environment_names(folder)) or "none"
        raise ConfigError(
            [f"{_show(folder / name)}.toml: no such environment {name!r}; expected one of: {known}"]
        )
    origins: Origins = {}
    tree: Tree = {}
    for path in (folder / "base.toml", folder / f"{name}.toml"):
        layer = _read(path)
        _note(layer, _show(path), origins)
        tree = _merge(tree, layer)
    variables = _variables()
    _note(variables, "", origins)
    tree = _merge(tree, variables) | {"name": name}
    environment = _validate(Environment, tree, origins, _show(folder / f"{name}.toml"))
    if environment.dify.release not in release_names():
        where = origins.get(("dify", "release"), name)
        known = ", ".join(release_names())
        raise ConfigError(
            [
                f"{where}: dify.release: unknown release {environment.dify.release!r}; "
                f"expected one of: {known}"
            ]
        )
    return _with_absolute_paths(environment)


def load_release(version: str, folder: Path = RELEASES) -> Release:
    """The release `version`. Raises ConfigError as `load_environment` does."""
    path = folder / f"{version}.toml"
    if version not in release_names(folder):
        known = ", ".join(release_names(folder))
        raise ConfigError([f"{_show(path)}: no such release; expected one of: {known}"])
    return _validate(Release, _read(path), {}, _show(path))


def _read(path: Path) -> Tree:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{_show(path)}: not TOML: {error}; expected valid TOML"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{_show(path)}: cannot be read: {error}"]) from None


def _variables() -> Tree:
    """The `ROLLOUT__…` environment variables as a tree, values parsed as pydantic-settings does."""

    class Variables(BaseSettings):
        model_config = {
            "env_prefix": PREFIX,
            "env_nested_delimiter": "__",
            "extra": "allow",
        }

    source = EnvSettingsSource(Variables)
    tree: Tree = {}
    for variable, value in source.env_vars.items():
        if variable.upper().startswith(PREFIX) and value is not None:
            path = variable[len(PREFIX) :].lower().split("__")
            _put(tree, path, _scalar(value))
    return tree


def _put(tree: Tree, path: list[str], value: Any) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = value


def _scalar(text: str) -> Any:
    """A list, number or truth value as TOML writes it; anything else is the text itself."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _merge(below: Tree, above: Tree) -> Tree:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = (
            _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return merged


def _note(tree: Tree, origin: str, origins: Origins, at: tuple[str, ...] = ()) -> None:
    for key, value in tree.items():
        path = (*at, key)
        origins[path] = origin or f"variable {PREFIX}{'__'.join(path).upper()}"
        if isinstance(value, dict):
            _note(value, origin, origins, path)


def _validate(model: type[M], tree: Tree, origins: Origins, source: str) -> M:
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise ConfigError([_line(issue, origins, source) for issue in error.errors()]) from None


def _line(issue: Mapping[str, Any], origins: Origins, source: str) -> str:
    path = tuple(str(part) for part in issue["loc"])
    message = str(issue["msg"]).removeprefix("Value error, ")
    if issue["type"] == "extra_forbidden":
        message = "unknown key; expected one of those in config/environments/base.toml"
    elif issue["type"] == "missing":
        message = "missing; expected a value"
    elif issue["type"] != "value_error":
        expected = message.removeprefix("Input should be ")
        message = f"{issue['input']!r} is not allowed; expected {expected}"
    if issue["type"] == "value_error" and not path:
        path, _, message = _split(message)
    elif issue["type"] == "value_error" and ": " in message and len(path) == 1:
        key, _, rest = message.partition(": ")
        path, message = (*path, key), rest
    where = next(
        (origins[path[:n]] for n in range(len(path), 0, -1) if path[:n] in origins), source
    )
    return f"{where}: {'.'.join(path)}: {message}"


def _split(message: str) -> tuple[tuple[str, ...], str, str]:
    key, colon, rest = message.partition(": ")
    return tuple(key.split(".")), colon, rest


def _show(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _with_absolute_paths(environment: Environment) -> Environment:
    home = ROOT / environment.sandbox.home
    dify = environment.dify
    return environment.model_copy(
        update={
            "sandbox": environment.sandbox.model_copy(update={"home": home}),
            "dify": dify.model_copy(update={"home": home / dify.home, "data": home / dify.data}),
            "images": environment.images.model_copy(
                update={"rehearsal": ROOT / environment.images.rehearsal}
            ),
        }
    )
