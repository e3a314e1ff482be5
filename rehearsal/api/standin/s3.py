"""The four requests to S3 the service needs, signed (AWS Signature Version 4)."""

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from standin.settings import text

FORBIDDEN, NOT_FOUND = 403, 404


def ensure_bucket() -> None:
    """Create the bucket if it is missing; not being allowed to look is tolerated."""
    try:
        _request("HEAD")
    except HTTPError as error:
        if error.code == NOT_FOUND:
            _request("PUT")
        elif error.code != FORBIDDEN:
            raise


def put(name: str, content: bytes) -> None:
    _request("PUT", name, content)


def get(name: str) -> bytes:
    return _request("GET", name)


def delete(name: str) -> None:
    _request("DELETE", name)


def _request(method: str, name: str = "", content: bytes = b"") -> bytes:
    """The answer's body. Addresses the bucket by path, unless S3_ADDRESS_STYLE is `virtual`."""
    region = text("S3_REGION", "us-east-1")
    bucket = text("S3_BUCKET_NAME")
    endpoint = urlsplit(text("S3_ENDPOINT", f"https://s3.{region}.amazonaws.com"))
    if text("S3_ADDRESS_STYLE") == "virtual":
        host, path = f"{bucket}.{endpoint.netloc}", f"/{quote(name)}"
    else:
        host, path = endpoint.netloc, f"/{bucket}/{quote(name)}".rstrip("/")
    headers = _signed(method, host, path, region, hashlib.sha256(content).hexdigest())
    request = Request(f"{endpoint.scheme}://{host}{path}", content or None, headers, method=method)
    with urlopen(request, timeout=10) as answer:
        return answer.read()


def _signed(method: str, host: str, path: str, region: str, digest: str) -> dict[str, str]:
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": now}
    names = ";".join(headers)
    lines = "".join(f"{key}:{value}\n" for key, value in headers.items())
    canonical = "\n".join((method, path, "", lines, names, digest))
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    signed = "\n".join(
        ("AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    key = f"AWS4{text('S3_SECRET_KEY')}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part).digest()
    return headers | {
        "authorization": f"AWS4-HMAC-SHA256 Credential={text('S3_ACCESS_KEY')}/{scope},"
        f" SignedHeaders={names}, Signature={_hmac(key, signed).hexdigest()}"
    }


def _hmac(key: bytes, message: str) -> "hmac.HMAC":
    return hmac.new(key, message.encode(), hashlib.sha256)
