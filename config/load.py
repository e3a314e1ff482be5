"""How files and environment variables become an Environment or a Release.

`base.toml` is laid under `<environment>.toml`, environment variables
`ROLLOUT__SECTION__KEY` over both. All problems are reported at once, each with
the file or variable it comes from.
"""

import re
import tomllib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeGuard, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource

from config.cross_checks import check
from config.environment import Environment
from config.errors import ConfigError
from config.hand_steps import History
from config.messages import Complaint, complaints, foreign_at
from config.release import Release
from config.shared import Claims, claims, clashes

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / "config" / "environments"
RELEASES = ROOT / "config" / "releases"
HISTORY = RELEASES / "history.toml"
PREFIX = "ROLLOUT__"
# A variable whose name is nearly one that is read.
_MEANT = re.compile(r"rollout__?([a-z]+)__(\w+)", re.IGNORECASE)
MOST_BYTES = 1_000_000

Tree = dict[str, Any]
At = tuple[str, ...]
M = TypeVar("M", bound=BaseModel)


class Layers:
    """Values laid over each other, where each came from, and what was wrong on the way."""

    def __init__(self, source: str, defaults: str = "") -> None:
        self.source = source
        self.defaults = defaults
        self.tree: Tree = {}
        self.origins: dict[At, str] = {}
        self.problems: list[str] = []

    def lay(self, tree: Tree, origin: str) -> None:
        self.tree = _merged(self.tree, tree)
        self._note(tree, origin, ())

    def complain(self, complaint: Complaint) -> None:
        """Under the file or variable that set the key or its section.

        What disagrees with a default is for the environment's own file to change.
        """
        at = complaint.path
        known = (self.origins.get(at[:length]) for length in range(len(at), 0, -1))
        origin = next((origin for origin in known if origin), self.source)
        if complaint.agreement and origin == self.defaults:
            origin = self.source
        self.problems.append(f"{origin}: {'.'.join(at)}: {complaint.message}")

    def refuse(self) -> None:
        if self.problems:
            raise ConfigError(self.problems)

    def _note(self, tree: Tree, origin: str, at: At) -> None:
        for key, value in tree.items():
            self.origins[*at, key] = origin
            if _is_tree(value):
                self._note(value, origin, (*at, key))


def environment_names(folder: Path = ENVIRONMENTS) -> list[str]:
    """Every environment that has a file, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml") if path.stem != "base")


def release_names(folder: Path = RELEASES) -> list[str]:
    """Every release that has a file, oldest first."""
    names = (path.stem for path in folder.glob("[0-9]*.toml"))
    return sorted(names, key=lambda name: [int(part) for part in re.findall(r"\d+", name)])


def load_environment(name: str, folder: Path = ENVIRONMENTS, *, release: str = "") -> Environment:
    """The environment `name`, checked alone and against its release, with absolute paths.

    `release`: the one to use instead of what the files say.

    Raises:
        ConfigError: every problem of the files and variables, one line each.
    """
    if name not in environment_names(folder):
        file = f"{_show(folder / name)}.toml"
        raise ConfigError([f"{file}: no such environment; {_one_of(environment_names(folder))}"])
    files = (folder / "base.toml", folder / f"{name}.toml")
    layers = Layers(_show(files[1]), _show(files[0]))
    for path in files:
        _lay_file(layers, path)
    layers.refuse()
    _lay_variables(layers)
    if "name" in layers.tree:
        message = "unknown key; an environment is named by its file"
        layers.complain(Complaint(("name",), message))
    layers.tree["name"] = name
    if release:
        layers.lay({"dify": {"release": release}}, "parameter release")
    environment = _validated(Environment, layers)
    dify = layers.tree.get("dify")
    wanted = dify.get("release") if _is_tree(dify) else None
    if isinstance(wanted, str) and wanted not in release_names():
        message = f"unknown release {wanted!r}; {_one_of(release_names())}"
        layers.complain(Complaint(("dify", "release"), message))
    layers.refuse()
    assert environment is not None  # noqa: S101 - refused above
    for problem in check(environment, load_release(environment.dify.release)):
        layers.complain(Complaint.of(problem))
    layers.refuse()
    for key, message in clashes(claims(layers.tree, ROOT), _others(name, folder)):
        layers.complain(Complaint(tuple(key.split(".")), message, agreement=True))
    layers.refuse()
    return _with_absolute_paths(environment)


def _others(name: str, folder: Path) -> dict[str, Claims]:
    """Name → what each other environment claims; a file that is no TOML claims nothing."""
    base = folder / "base.toml"
    files = {each: folder / f"{each}.toml" for each in environment_names(folder) if each != name}
    return {
        each: _claimed(base, base.stat().st_mtime_ns, file, file.stat().st_mtime_ns)
        for each, file in files.items()
    }


@lru_cache(maxsize=4096)
def _claimed(base: Path, _of_base: int, file: Path, _of_file: int) -> Claims:
    """Read once for each change of the files: a fleet asks for a thousand, each time for all."""
    layers = Layers(str(file))
    for path in (base, file):
        _lay_file(layers, path)
    return claims(layers.tree, ROOT)


def load_release(version: str, folder: Path = RELEASES) -> Release:
    """The release `version`. Raises ConfigError as `load_environment` does."""
    path = folder / f"{version}.toml"
    if version not in release_names(folder):
        raise ConfigError([f"{_show(path)}: no such release; {_one_of(release_names(folder))}"])
    layers = Layers(_show(path))
    _lay_file(layers, path)
    layers.refuse()
    release = _validated(Release, layers)
    if layers.tree.get("version") not in (None, version):
        message = f"{layers.tree['version']!r} is not the file's name; expected {version!r}"
        layers.complain(Complaint(("version",), message))
    layers.refuse()
    assert release is not None  # noqa: S101 - refused above
    return release


def load_history(path: Path = HISTORY) -> History:
    """Every known release, and its hand steps. Raises ConfigError as `load_environment` does."""
    layers = Layers(_show(path))
    _lay_file(layers, path)
    layers.refuse()
    history = _validated(History, layers)
    layers.refuse()
    assert history is not None  # noqa: S101 - refused above
    return history


def _validated(model: type[M], layers: Layers) -> M | None:
    """The model, or None with every problem noted."""
    try:
        return model.model_validate(layers.tree)
    except ValidationError as error:
        for complaint in complaints(error, model):
            layers.complain(complaint)
        return None


def _lay_file(layers: Layers, path: Path) -> None:
    origin, text = _show(path), ""
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            layers.problems.append(f"{origin}: {size} bytes; expected {MOST_BYTES} at most")
            return
        # Editors of Windows put a mark before the first byte.
        text = path.read_text(encoding="utf-8-sig")
        layers.lay(tomllib.loads(text), origin)
    except RecursionError:
        layers.problems.append(f"{origin}: sections within sections without end; expected a few")
    except tomllib.TOMLDecodeError as error:
        found = foreign_at(text, str(error))
        layers.problems.append(f"{origin}: not TOML: {error}{found}; expected valid TOML")
    except UnicodeDecodeError as error:
        layers.problems.append(f"{origin}: byte {error.start} is not UTF-8; expected UTF-8 text")
    except OSError as error:
        layers.problems.append(f"{origin}: cannot be read: {error.strerror}; expected a file")


def _lay_variables(layers: Layers) -> None:
    """The `ROLLOUT__…` variables, each laid over what is there."""

    class Variables(BaseSettings):
        model_config = {"env_prefix": PREFIX, "case_sensitive": True}

    found = EnvSettingsSource(Variables).env_vars
    for variable in sorted(found):
        if variable.startswith(PREFIX):
            at = variable.removeprefix(PREFIX).lower().split("__")
            value: Any = _value(tuple(at), found[variable] or "")
            for part in reversed(at):
                value = {part: value}
            layers.lay(value, f"variable {variable}")
        elif (meant := _MEANT.match(variable)) and meant[1].lower() in Environment.model_fields:
            layers.problems.append(
                f"variable {variable}: nobody reads it; expected a name like {PREFIX}"
                f"{meant[1].upper()}__{meant[2].upper()}"
            )


def _value(at: At, text: str) -> Any:
    """As TOML reads it where the key takes a number, truth value or list; else the text itself."""
    kind: Any = Environment
    for part in at:
        field = getattr(kind, "model_fields", {}).get(part)
        entry = get_args(kind)[1] if get_origin(kind) is dict else None
        kind = field.annotation if field else entry
    if not _is_written_bare(kind):
        return text
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _is_written_bare(kind: Any) -> bool:
    """Whether TOML writes such a value without quotes."""
    if get_origin(kind) in (Annotated, Union, UnionType):
        return any(_is_written_bare(part) for part in get_args(kind))
    return kind in (int, float, bool) or get_origin(kind) is list


def _merged(below: Tree, above: Tree) -> Tree:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if _is_tree(old) and _is_tree(value) else value
    return merged


def _is_tree(value: Any) -> TypeGuard[Tree]:
    return isinstance(value, dict)


def _one_of(names: Iterable[str]) -> str:
    return f"expected one of: {', '.join(names) or 'none there'}"


def _show(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _with_absolute_paths(environment: Environment) -> Environment:
    home = ROOT / environment.sandbox.home
    dify = environment.dify
    return environment.model_copy(
        update={
            "sandbox": environment.sandbox.model_copy(update={"home": home}),
            "dify": dify.model_copy(update={"home": home / dify.home, "data": home / dify.data}),
            "backup": environment.backup.model_copy(
                update={"repository": _repository(environment, home)}
            ),
        }
    )


def _repository(environment: Environment, home: Path) -> str:
    backup = environment.backup
    if not backup.repository or backup.remote:
        return backup.repository
    return str(home / backup.repository)
