"""Objects of S3 buckets in a restore point: listed, saved as files of a mount, put back."""

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from clients.command import Command, CommandFailed
from clients.files import File
from clients.s3 import Bucket, StoreUnreachable
from config.desired.storage_trust import NAME, addresses
from config.errors import RolloutError, StepError
from config.release import S3
from config.rules.restore_point import Listing, Object, differs
from tasks.core.authorities import storage_authority
from tasks.core.packages import program
from tasks.core.site import Site
from tasks.points import folders, silence
from tasks.points.repository import Repository
from tasks.tools import rclone
from tasks.tools.rclone import Rclone

log = logging.getLogger("rollout")

UPLOADS, PLUGINS = "bucket", "plugin-bucket"
LISTING = "-listing"


def buckets(site: Site) -> dict[str, str]:
    """Part of a point → the bucket it is; none where files are on the machine."""
    storage = site.environment.storage
    if storage.kind != "s3":
        return {}
    return {UPLOADS: storage.bucket, PLUGINS: storage.plugin_bucket}


def listing(site: Site, part: str) -> Listing:
    """What the bucket has now.

    Raises:
        StoreUnreachable, StoreRefused: the service does not answer, or not to these keys.
    """
    name = buckets(site)[part]
    try:
        text = site.node.run(_tool(site).list(name))
    except CommandFailed:
        service(site, name).check()
        raise
    return Listing(bucket=name, objects=rclone.parse_list(text))


def service(site: Site, name: str) -> Bucket:
    """The bucket as Dify reaches it, with its keys."""
    storage = site.environment.storage
    access, secret = (site.secrets[key] for key in S3)
    return Bucket(
        storage.endpoint,
        storage.region,
        name,
        storage.path_style,
        access,
        secret,
        site.node,
        storage_authority(site),
        next(iter(addresses(site.environment).values()), ""),
    )


def place(site: Site, part: str) -> Path:
    """Where the bucket is mounted: always there, so that restic knows again what it saved.

    rclone waits for a mount under the name the kernel gives it, which has no links.
    """
    data = str(site.environment.dify.data)
    site.node.run(Command(("mkdir", "-p", data)))
    real = site.node.run(Command(("realpath", data), changes=False)).removesuffix("\n")
    return Path(real, ".buckets", part)


@contextmanager
def mounted(site: Site, part: str, *, writable: bool = False) -> Generator[Path]:
    """The bucket as a folder. A mount that a dead run left goes first."""
    program(site.node, "fusermount3", "fuse3")
    where = place(site, part)
    site.node.attempt(rclone.unmount(where))
    site.node.run(Command(("mkdir", "-p", "-m", "700", str(where))))
    site.node.run(_tool(site).mount(buckets(site)[part], where, writable=writable))
    try:
        with _watched(site, buckets(site)[part]):
            yield where
    finally:
        site.node.run(rclone.unmount(where))


@contextmanager
def _watched(site: Site, name: str) -> Generator[None]:
    bucket = service(site, name)
    error = StoreUnreachable(
        f"the object store {bucket} does not answer, for {silence.longest_s():g} s"
    )

    def answers() -> bool:
        try:
            bucket.check()
        except RolloutError as error:
            return not isinstance(error, StoreUnreachable)
        return True

    with silence.watched(answers, error):
        yield


def lacking(wanted: Listing, there: Mapping[str, Object]) -> tuple[list[str], list[str]]:
    """Keys that are not there, and keys that are with another content."""
    missing = [key for key in wanted.objects if key not in there]
    other = [k for k, each in wanted.objects.items() if k in there and differs(each, there[k])]
    return missing, other


def put_back(site: Site, repository: Repository, saved: "SavedBucket", keys: Sequence[str]) -> None:
    """The objects are in the bucket as the point has them. What they replace stays beside them.

    They stream from the repository into the bucket: no copy of them is on the disk.

    Raises:
        StepError: some of them are not.
    """
    if not keys:
        return
    there = listing(site, saved.part).objects
    for key in (key for key in keys if key in there):
        site.node.run(_tool(site).copy(buckets(site)[saved.part], key, f"{key}.previous"))
    names = site.environment.dify.data / f".{saved.part}.names"
    prefix = saved.path.strip("/")
    site.node.write(File(names, "\0".join(f"{prefix}/{key}" for key in keys).encode(), 0o600))
    try:
        with mounted(site, saved.part, writable=True) as where:
            read = repository.tool.dump(saved.snapshot, saved.path)
            repository.pipe([read, _unpacked(where, len(Path(prefix).parts), names)])
    finally:
        folders.remove(site.node, names)
    missing, other = lacking(saved.listing, listing(site, saved.part).objects)
    if left := sorted({*missing, *other} & set(keys)):
        raise StepError(
            "restore",
            f"{len(left)} objects are not in bucket {buckets(site)[saved.part]}: {left[0]}, …",
            advice="nothing else was changed; look at the S3 service and restore again",
        )
    log.info("restore: %d objects put into bucket %s", len(keys), buckets(site)[saved.part])


class SavedBucket:
    """A bucket in a point: the listing, and where the objects are in which snapshot."""

    def __init__(self, part: str, listing: Listing, snapshot: str, path: str) -> None:
        self.part = part
        self.listing = listing
        self.snapshot = snapshot
        self.path = path


def _unpacked(where: Path, depth: int, names: Path) -> Command:
    """The archive that comes in, without modes and times, which objects do not have."""
    return Command(
        ("tar", "--extract", "--directory", str(where), f"--strip-components={depth}",
         "--no-same-owner", "--no-same-permissions", "--touch", "--null", "--no-wildcards",
         f"--files-from={names}"),
        tied=True,
        timeout_s=rclone.DAY_S,
    )  # fmt: skip


def _tool(site: Site) -> Rclone:
    return Rclone(
        program(site.node, "rclone"),
        site.environment.storage,
        site.secret("s3_access_key"),
        site.secret("s3_secret_key"),
        site.environment.dify.home / NAME if storage_authority(site) else None,
    )
