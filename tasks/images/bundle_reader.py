"""A bundle's table of contents, read without an engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.errors import StepError
from tasks.images import bundle_table, tar
from tasks.images.tar import Damaged, Entry
from tasks.tools.bundle import README, Contents


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose table of contents is known and fits its entries."""

    path: Path
    contents: Contents
    entries: Mapping[str, Entry]


def is_bundle(path: Path) -> bool:
    """Whether the file at least begins as a bundle does."""
    with path.open("rb") as file:
        return file.read(len(README) + 1) == f"{README}\0".encode()


def opened(path: Path) -> Bundle:
    """The bundle, by its table of contents; the parts are not looked at yet.

    Raises:
        StepError: no such file, no bundle, or damaged; says which part.
    """
    try:
        if path.exists() and not path.is_file():
            raise StepError("images", f"{path} is no file")
        with path.open("rb") as file:
            found: dict[str, Entry] = {}
            for entry in tar.entries(file):
                found[entry.name] = entry
                if README not in found:
                    raise Damaged("it does not begin as a bundle does")
            return Bundle(path, bundle_table.read(file, found), found)
    except FileNotFoundError:
        raise StepError("images", f"no file {path}") from None
    except OSError as error:
        raise StepError("images", f"{path} cannot be read: {error.strerror}") from None
    except Damaged as error:
        raise refusal(path, str(error)) from None


def refusal(path: Path, why: str) -> StepError:
    """What a damaged bundle is refused with."""
    return StepError(
        "images",
        f"{path} is damaged or no bundle: {why}",
        tried="nothing was loaded",
        advice="copy it again, or make it with: rollout images bundle ENV FILE",
    )
