"""Images apart from a deploy: fetched the night before, bundled, loaded, cleared away."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prefect import flow

from config.errors import RolloutError
from flows.parts import recording
from flows.parts.forms import ReleaseName
from flows.parts.graph import Graph
from flows.parts.run import recorded
from flows.parts.transfers import transfers
from tasks.core.site import Site, without_secrets
from tasks.images import tasks
from tasks.images.bundle_report import bundled
from tasks.images.prune import ReleaseImage

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
@recorded
def images(
    environment: str,
    action: Action = "pull",
    file: str = "",
    extra: list[str] | None = None,
    extra_to: str = "",
    release: ReleaseName = "",
) -> ImagesReport:
    """Get the environment's images to its nodes, or what `action` says.

    Args:
        environment: A file of config/environments.
        action: pull, bundle and load get them, verify checks a bundle without loading it; list
            shows them, prune removes the unused.
        file: The bundle to write, verify or load, on the worker.
        extra: Files and folders to put into the bundle beside the images.
        extra_to: Folder they are put into when it is loaded.
        release: Dify's version, to pull or bundle another one's ahead; empty for the file's.
    """
    began = time.monotonic()
    site = without_secrets(environment, release)
    with transfers(site):
        rows = _done(site, action, file, extra or [], extra_to)
    key = f"images-{action}-{environment.replace('_', '-')}"
    recording.table(key, rows, action)
    return ImagesReport(environment, action, rows, time.monotonic() - began)


def _done(site: Site, action: Action, file: str, extra: list[str], extra_to: str) -> Rows:
    if action in ("bundle", "verify", "load") and not file:
        raise RolloutError(f"file: missing; {action} expects the path of the bundle")
    graph, path = Graph(site), Path(file)
    match action:
        case "pull":
            return _pull(graph)
        case "bundle":
            _pull(graph)
            added = [Path(each) for each in extra]
            return bundled(graph.run(tasks.write_bundle, file=path, extra=added))
        case "verify":
            return bundled(graph.run(tasks.verify_bundle, file=path))
        case "load":
            return _load(graph, path, Path(extra_to) if extra_to else None)
        case "list":
            return _kept(graph.run(tasks.list_images))
        case "prune":
            return _kept(graph.run(tasks.prune_images))


def _pull(graph: Graph) -> Rows:
    (outcome,) = graph.steps(["images"])
    return [{"what": c.what, "before": c.before, "after": c.after} for c in outcome.changes]


def _load(graph: Graph, file: Path, extra_to: Path | None) -> Rows:
    sent = graph.run(tasks.load_bundle, file=file, extra_to=extra_to)
    return [{"node": node, "loaded": image} for node, images in sent.items() for image in images]


def _kept(found: list[ReleaseImage]) -> Rows:
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
