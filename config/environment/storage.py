"""Section [storage] of an environment."""

import re
from collections.abc import Iterator
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import model_validator

from config.environment.addresses import AddressOrNone
from config.environment.forms import FileOrNone, Url
from config.environment.model import Strict, refuse

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class Storage(Strict):
    """Where uploads, tenant keys and plugin packages are kept: in a folder or in S3 buckets."""

    kind: Literal["local", "s3"]
    endpoint: Url
    region: str
    bucket: str
    plugin_bucket: str
    address_style: Literal["auto", "virtual", "path"]
    ca: FileOrNone
    address: AddressOrNone

    @property
    def path_style(self) -> bool:
        """Whether the bucket's name stands in the path, as clients of `auto` decide it."""
        return self.address_style == "path" or (
            self.address_style == "auto" and bool(self.endpoint)
        )

    @model_validator(mode="after")
    def s3_is_complete(self) -> Self:
        if self.kind == "s3":
            buckets = {"bucket": self.bucket, "plugin_bucket": self.plugin_bucket}
            refuse(
                f"{key}: {value!r} is not a bucket name; storage.kind 's3' needs one"
                for key, value in buckets.items()
                if not _BUCKET.fullmatch(value)
            )
        return self

    @model_validator(mode="after")
    def endpoint_is_the_service(self) -> Self:
        refuse(self._no_service())
        return self

    def _no_service(self) -> Iterator[str]:
        where = urlsplit(self.endpoint)
        if where.username is not None:
            yield (
                "endpoint: it holds a login; expected the address alone, and the secrets "
                "s3_access_key and s3_secret_key"
            )
            return
        if where.query or where.fragment:
            yield f"endpoint: {self.endpoint!r} is of one page; expected the service's address"
        host, last = where.hostname or "", where.path.rstrip("/").rpartition("/")[2]
        for bucket in filter(None, {self.bucket: None, self.plugin_bucket: None}):
            if bucket == last or host.startswith(f"{bucket}."):
                yield (
                    f"endpoint: {self.endpoint!r} names the bucket {bucket!r}, which its clients "
                    "add themselves; expected the service's address"
                )
