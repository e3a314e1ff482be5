"""rclone on one S3 service: argv out, parsed facts in. The keys travel in the environment only."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clients.command import Command, Secret
from config.environment import Storage
from config.rules.restore_point import Object

DAY_S = 86_400
# Without a byte from the service.
SILENT_S = 30
_REMOTE = "bucket"
_PREFIX = f"RCLONE_CONFIG_{_REMOTE.upper()}_"


@dataclass(frozen=True, slots=True)
class Rclone:
    """One S3 service as one program reaches it; `authority`: PEM file of whom alone it trusts."""

    program: str
    storage: Storage
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    authority: Path | None = None

    def list(self, bucket: str) -> Command:
        """Every object; the time is when it was stored, which costs no question an object.

        rclone reports a service that does not answer within seconds; the caller does the waiting.
        """
        return self._command(
            "lsjson", "--recursive", "--files-only", "--hash", "--no-mimetype",
            "--use-server-modtime", "--low-level-retries", "2", "--timeout", f"{SILENT_S}s",
            f"{_REMOTE}:{bucket}",
            timeout_s=DAY_S, changes=False,
        )  # fmt: skip

    def mount(self, bucket: str, place: Path, *, writable: bool) -> Command:
        """The bucket as a folder; returns once it is there. Nothing of it is kept on the disk."""
        only = () if writable else ("--read-only",)
        return self._command(
            "mount", "--daemon", "--vfs-cache-mode", "off", "--use-server-modtime",
            "--dir-cache-time", "24h", "--poll-interval", "0", *only,
            f"{_REMOTE}:{bucket}", str(place),
            timeout_s=120,
        )  # fmt: skip

    def copy(self, bucket: str, key: str, new: str) -> Command:
        """Another object with the same content, made by the service itself."""
        source, target = f"{_REMOTE}:{bucket}/{key}", f"{_REMOTE}:{bucket}/{new}"
        return self._command("copyto", source, target, timeout_s=3600)

    def _command(self, *words: str, timeout_s: float, changes: bool = True) -> Command:
        storage = self.storage
        settings: dict[str, str | Secret] = {
            "TYPE": "s3",
            "PROVIDER": "Other" if storage.endpoint else "AWS",
            "ENDPOINT": storage.endpoint,
            "REGION": storage.region,
            "ACCESS_KEY_ID": Secret(self.access_key),
            "SECRET_ACCESS_KEY": Secret(self.secret_key),
            "NO_CHECK_BUCKET": "true",
        }
        if storage.address_style != "auto":
            settings["FORCE_PATH_STYLE"] = str(storage.address_style == "path").lower()
        env = [(_PREFIX + name, value) for name, value in settings.items()]
        if self.authority:
            env.append(("RCLONE_CA_CERT", str(self.authority)))
        return Command(
            (self.program, *words),
            env=(("RCLONE_CONFIG", "/dev/null"), *env),
            timeout_s=timeout_s,
            changes=changes,
        )


def unmount(place: Path) -> Command:
    """The folder is one again, even if who served it is dead."""
    return Command(("fusermount3", "-u", "-z", str(place)))


def parse_list(text: str) -> dict[str, Object]:
    """Key → object. Where S3 has no MD5 (of an object stored in parts), `md5` is empty."""
    rows: list[dict[str, Any]] = json.loads(text or "[]")
    return {
        str(row["Path"]): Object(
            size=int(row["Size"]),
            modified=str(row["ModTime"]),
            md5=str(dict[str, str](row.get("Hashes") or ()).get("md5", "")),
        )
        for row in rows
    }
