"""What a Prefect server that lets nobody in, or does not answer, means for the user."""

from http import HTTPStatus


def sentence(error: BaseException | None) -> str:
    """Empty where the error is of another kind."""
    import httpx
    from prefect.settings import PREFECT_API_URL

    url = str(PREFECT_API_URL.value() or "")
    # Prefect says "Failed to reach API" of whatever went wrong beneath.
    cause = error.__cause__ if isinstance(error, RuntimeError) else error
    if not url or not isinstance(cause, httpx.HTTPError):
        return ""
    if not str(cause.request.url).startswith(url):
        return ""
    if isinstance(cause, httpx.HTTPStatusError):
        return _refused(url) if cause.response.status_code == HTTPStatus.UNAUTHORIZED else ""
    return (
        f"the Prefect server at {url} does not answer: {cause}; "
        "expected PREFECT_API_URL of one that runs"
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
