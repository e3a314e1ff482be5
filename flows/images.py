"""Images apart from a deploy: fetched the night before, bundled, loaded, cleared away."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State

from config.errors import RolloutError
from flows.parts import image_steps, recording, steps
from flows.parts.tasks import finish, readable
from tasks.core.site import Site, without_secrets
from tasks.images import prune
from tasks.images.bundle_report import bundled
from tasks.images.prune import Kept

Action = Literal["pull", "bundle", "verify", "load", "list", "prune"]
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ImagesReport:
    """What was done with each image."""

    environment: str
    action: Action
    rows: Rows
    seconds: float


@flow(name="images", flow_run_name="images {action} {environment}", persist_result=False)
@readable
def images(
    environment: str,
    action: Action = "pull",
    file: str = "",
    extra: list[str] | None = None,
    extra_to: str = "",
) -> ImagesReport | State[Any]:
    """Get the environment's images to its nodes, or what `action` says.

    Args:
        environment: A file of config/environments.
        action: pull, bundle and load get them, verify checks a bundle without loading it; list
            shows them, prune removes the unused.
        file: The bundle to write, verify or load, on the worker.
        extra: Files and folders to put into the bundle beside the images.
        extra_to: Folder they are put into when it is loaded.
    """
    began = time.monotonic()
    site = without_secrets(environment)
    rows = _done(site, action, file, extra or [], extra_to)
    key = f"images-{action}-{environment.replace('_', '-')}"
    recording.table(key, rows, action)
    return ImagesReport(environment, action, rows, time.monotonic() - began)


def _done(site: Site, action: Action, file: str, extra: list[str], extra_to: str) -> Rows:
    if action in ("bundle", "verify", "load") and not file:
        raise RolloutError(f"file: missing; {action} expects the path of the bundle")
    match action:
        case "pull":
            return _pull(site)
        case "bundle":
            _pull(site)
            return _bundle(site, Path(file), [Path(path) for path in extra])
        case "verify":
            return bundled(finish(image_steps.verify, site, file=Path(file)))
        case "load":
            return _load(site, Path(file), Path(extra_to) if extra_to else None)
        case "list":
            return _kept(prune.look(site))
        case "prune":
            return _kept(finish(image_steps.prune, site))


def _pull(site: Site) -> Rows:
    outcome = finish(steps.images, site)
    return [{"what": c.what, "before": c.before, "after": c.after} for c in outcome.changes]


def _bundle(site: Site, file: Path, extra: list[Path]) -> Rows:
    return bundled(finish(image_steps.bundle, site, file=file, extra=extra))


def _load(site: Site, file: Path, extra_to: Path | None) -> Rows:
    sent = finish(image_steps.load, site, file=file, extra_to=extra_to)
    return [{"node": node, "loaded": image} for node, images in sent.items() for image in images]


def _kept(found: list[Kept]) -> Rows:
    return [
        {
            "node": kept.node,
            "image": kept.name,
            "id": kept.image.id[7:19],
            "MB": round(kept.image.size / 1e6),
            "state": kept.why or "unused",
        }
        for kept in sorted(found, key=lambda kept: (bool(kept.why), kept.name))
    ]
