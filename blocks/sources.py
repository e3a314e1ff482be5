"""Secrets that stand elsewhere than in an environment's own block: `kind:where`."""

import os
import stat
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from pydantic import Secret, SecretStr

from clients.variables import given
from config.errors import RolloutError

OTHERS = 0o077
# Importing them makes their types of blocks known.
_TYPES = ("prefect.blocks.system", "blocks.login", "blocks.logins")


def read(key: str, source: str) -> SecretStr:
    """The secret that `key` of an environment's file says to take from `source`.

    Raises:
        RolloutError: it is not there, empty, or lies open to others.
    """
    kind, _, where = source.partition(":")
    value = _KINDS[kind](f"{key}: {source}", where)
    if not value or not value.isprintable():
        raise RolloutError(f"{key}: {source}: expected one line of printable characters")
    return SecretStr(value)


def _variable(said: str, name: str) -> str:
    value = given().get(name)
    if value is None:
        raise RolloutError(
            f"{said}: no such variable here; expected it in the worker's environment"
        )
    return value


def private_text(said: str, path: Path) -> str:
    """A file that nobody else may read.

    Raises:
        RolloutError: it cannot be read, or others may read it too.
    """
    text, mode = _text(said, path)
    if mode & OTHERS:
        raise RolloutError(f"{said}: mode is {mode:04o}; expected: chmod 600 {path}")
    return text


def _text(said: str, path: Path) -> tuple[str, int]:
    """What stands in it, and its mode."""
    try:
        # Editors of Windows put a mark before the first byte.
        with path.open(encoding="utf-8-sig") as file:
            return file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except UnicodeDecodeError:
        raise RolloutError(f"{said}: expected UTF-8 text") from None
    except OSError as error:
        raise RolloutError(f"{said}: cannot be read: {error.strerror}") from None


def _file(said: str, path: str) -> str:
    return private_text(said, Path(path)).removesuffix("\n")


def _credential(said: str, name: str) -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise RolloutError(
            f"{said}: systemd gave no credentials; expected LoadCredential={name}:… in the unit"
        )
    # By an access list for the worker's user, which shows as a group that may read.
    return _text(said, Path(folder, name))[0].removesuffix("\n")


def _field(said: str, where: str) -> str:
    from prefect.blocks.core import Block, UnknownBlockType

    from blocks.prefect_api import require_server

    require_server(said)

    for module in _TYPES:
        import_module(module)
    slug, _, field = where.rpartition(".")
    try:
        found: Any = Block.load(slug)  # pyright: ignore[reportUnknownMemberType]
    except ValueError:
        raise RolloutError(
            f"{said}: no such Prefect block; add it in the UI, or: rollout server blocks FILE"
        ) from None
    except UnknownBlockType:
        raise RolloutError(f"{said}: no package here knows this type of block") from None
    value = getattr(found, field, None)
    if isinstance(value, (SecretStr, Secret)):
        value = cast(Any, value).get_secret_value()
    if not isinstance(value, str):
        raise RolloutError(f"{said}: the block has no text of that name")
    return value


_KINDS = {"env": _variable, "file": _file, "credential": _credential, "block": _field}
