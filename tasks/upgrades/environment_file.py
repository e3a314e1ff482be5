"""The environment's file names the release that runs, so that the next deploy does not go back."""

import logging
import os
from pathlib import Path

from config.load import ENVIRONMENTS, ROOT, load_environment
from config.release_key import with_release

log = logging.getLogger("rollout")


def follow(name: str, version: str, folder: Path = ENVIRONMENTS) -> str:
    """What a person has to do about the file of that environment, as a sentence.

    One key of it is changed, where it names another release.
    """
    path = folder / f"{name}.toml"
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    if load_environment(name, folder).dify.release == version:
        return ""
    asked = f'write release = "{version}" under [dify] of {shown}: the next deploy goes by it'
    changed = with_release(path.read_text(encoding="utf-8"), version)
    if changed is None or not os.access(path, os.W_OK):
        return asked
    path.write_text(changed, encoding="utf-8")
    if load_environment(name, folder).dify.release != version:
        return f"{shown} says release {version}, and a variable says another one: change that too"
    log.info("%s says release %s now", shown, version)
    return f"{shown} says release {version} now: commit it"
