"""An object store whose certificate an authority of its own signed."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from tasks.core.site import Site
from tests.certificates import sign
from tests.s3 import KEY, SECRET, s3_service

BUCKETS = ("dify-files", "dify-plugins")


@contextmanager
def storing(folder: Path, host: str) -> Generator[tuple[str, Path, Path]]:
    """Its URL, and PEM files of the authority that signed for it and of another one."""
    authority = sign("its own")
    own = sign("store", authority, host)
    contents = {"ca.crt": authority.pem, "other.crt": sign("another").pem}
    for name, content in {**contents, "own.pem": own.pem + own.key()}.items():
        (folder / name).write_bytes(content)
    (data := folder / "data").mkdir()
    with s3_service(data, BUCKETS, host=host, own=folder / "own.pem") as found:
        yield found.url, folder / "ca.crt", folder / "other.crt"


def with_store(site: Site, endpoint: str, ca: str) -> Site:
    """The same with its files there."""
    update = {"kind": "s3", "endpoint": endpoint, "address_style": "path", "ca": ca}
    names = dict(zip(("bucket", "plugin_bucket"), BUCKETS, strict=True))
    storage = site.environment.storage.model_copy(update=update | names)
    keys = {"s3_access_key": SecretStr(KEY), "s3_secret_key": SecretStr(SECRET)}
    return site.replace(
        environment=site.environment.model_copy(update={"storage": storage}),
        secrets={**site.secrets, **keys},
    )
