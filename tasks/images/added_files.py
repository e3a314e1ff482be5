"""The files that were added to a bundle, put into a folder."""

import shutil
from pathlib import Path

from config.errors import StepError
from tasks.images import tar
from tasks.images.bundle_proof import verify
from tasks.images.bundle_reader import Bundle
from tasks.images.replaced import replaced
from tasks.tools.bundle import is_extra


def extract(bundle: Bundle, folder: Path) -> list[Path]:
    """The added files, in this folder; a link that has the name of one is replaced.

    Raises:
        StepError: the bundle is damaged, or the folder cannot take them.
    """
    verify(bundle)
    added = [entry for name, entry in bundle.entries.items() if is_extra(name)]
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        needed, free = sum(entry.size for entry in added), shutil.disk_usage(folder).free
        if needed > free:
            raise StepError(
                "images", f"the added files need {needed} bytes, {folder} has {free} free"
            )
        with bundle.path.open("rb") as file:
            for entry in added:
                path = folder / Path(entry.name).name
                with replaced(path) as target:
                    target.writelines(tar.content(file, entry))
                written.append(path)
    except OSError as error:
        raise StepError(
            "images", f"the added files cannot be put into {folder}: {error.strerror}"
        ) from None
    return written
