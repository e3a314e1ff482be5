"""One file of a point brought back, while the stack goes on running."""

from config.errors import StepError
from tasks.core.site import Site
from tasks.points import folders
from tasks.points.choice import STEP, Choice
from tasks.points.filling import fill_folder
from tasks.points.landing import incoming


def restore_file(site: Site, choice: Choice) -> None:
    """One file is as it was; the one there now stays beside it. The stack goes on running."""
    name, _, path = choice.file.partition("/")
    source = f"{choice.manifest.folders[name]}/{path}"
    root = site.environment.dify.data / site.release.state[name].path
    target = incoming(site)
    try:
        fill_folder(site, choice, target, [source])
        restored = target / source.lstrip("/")
        if not folders.exists(site.node, restored):
            raise StepError(
                STEP,
                f"{choice.point.id} has no {choice.file}",
                advice=f"rollout backup list {choice.source} lists other points",
            )
        folders.put(site.node, restored, root, path)
    finally:
        folders.remove(site.node, target)
