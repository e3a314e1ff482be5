"""The header by which an engine logs in to a registry for a pull."""

from typing import Any, cast

from docker import APIClient, auth

from clients.credentials import Credentials

# Untyped as it is shipped.
_auth = cast(Any, auth)


def headers(api: APIClient, reference: str, login: Credentials | None) -> dict[str, Any]:
    """Without a login, what `docker login` left for the image's registry; empty if that is
    nothing.
    """
    if login:
        secret = login.password.get_secret_value()
        found = _auth.encode_header({"username": login.username, "password": secret})
    else:
        name = reference.partition("@")[0]
        found = _auth.get_config_header(api, str(_auth.resolve_repository_name(name)[0]))
    return {"X-Registry-Auth": found} if found else {}
