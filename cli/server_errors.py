"""What a Prefect server that lets nobody in, fails or does not answer means for the user."""

import traceback
from collections.abc import Iterator
from http import HTTPStatus
from json import JSONDecodeError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

_SOCKS = (
    "HTTP_PROXY or HTTPS_PROXY names a SOCKS proxy, by which no Prefect server is reached; "
    "expected one like http://host:port, or the server's name in NO_PROXY"
)


def sentence(error: BaseException | None) -> str:
    """Empty where the error is of another kind."""
    import httpx
    from prefect.settings import PREFECT_API_URL

    if isinstance(error, ImportError) and "socksio" in str(error):
        return _SOCKS
    url = str(PREFECT_API_URL.value() or "")
    if url and isinstance(error, JSONDecodeError) and _of_client(error):
        return f"what answers at {url} is no Prefect server; expected PREFECT_API_URL of one"
    # Prefect says "Failed to reach API", "object not found", … of what went wrong beneath.
    cause = next((e for e in _causes(error) if isinstance(e, httpx.HTTPError)), None)
    if not url or cause is None or not str(cause.request.url).startswith(url):
        return ""
    if isinstance(cause, httpx.HTTPStatusError):
        status = cause.response.status_code
        if status == HTTPStatus.NOT_FOUND and not url.rstrip("/").endswith("/api"):
            return (
                f"no page of a Prefect server's API is at {url}; "
                f"expected PREFECT_API_URL={url.rstrip('/')}/api"
            )
        return _refused(url) if status == HTTPStatus.UNAUTHORIZED else _failed(url, cause)
    return (
        f"the Prefect server at {url} does not answer: {cause}; "
        "expected PREFECT_API_URL of one that runs"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


def _of_client(error: BaseException) -> bool:
    """Whether it was an answer to Prefect's client that could not be read."""
    frames = traceback.extract_tb(error.__traceback__)
    return any("/prefect/client/" in frame.filename for frame in frames)


def _failed(url: str, error: "httpx.HTTPStatusError") -> str:
    path = error.request.url.path
    return (
        f"the Prefect server at {url} answers {error.response.status_code} to "
        f"{error.request.method} {path}; expected a Prefect 3 server in order: its log says why"
    )


def _refused(url: str) -> str:
    from prefect.settings import PREFECT_API_AUTH_STRING

    if PREFECT_API_AUTH_STRING.value():
        return (
            f"the Prefect server at {url} refuses the name and password of PREFECT_API_AUTH_STRING"
        )
    return (
        f"the Prefect server at {url} asks for a login; "
        "expected PREFECT_API_AUTH_STRING=NAME:PASSWORD"
    )
