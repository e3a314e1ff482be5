"""What a registry says: whether it lets us in, and how large an image is before it is pulled."""

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import httpx

from clients.credentials import Credentials
from config.errors import Passing, Refusal, RolloutError
from config.rules.sources import HUB, Source, split

if TYPE_CHECKING:
    from clients.docker import Docker

# For everything that is asked of it in one go; times the patience.
ANSWER_S = 10.0
HUB_ADDRESS = "registry-1.docker.io"
HUB_LOGIN = "https://index.docker.io/v1/"
KINDS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_REFUSALS = ("401", "403", "unauthorized", "incorrect username", "denied")
_PAIR = re.compile(r'(\w+)="([^"]*)"')


def address(registry: str) -> str:
    """The URL a registry answers at. Engines, too, speak plain HTTP on loopback only."""
    host = HUB_ADDRESS if registry == HUB else registry
    loopback = host.startswith(("127.0.0.1", "localhost"))
    return f"{'http' if loopback else 'https'}://{host}"


class RegistryUnreachable(RolloutError, Passing):
    """Nobody answered: asking again may help."""


class RegistryRefused(RolloutError, Refusal):
    """The registry answered and does not let us in: asking again changes nothing."""


def check(
    registry: str, login: Credentials | None, docker: "Docker | None", timeout_s: float
) -> str:
    """Who is let in. Docker Engine is asked to log in where there is one: it is what pulls.

    Raises:
        RegistryUnreachable: no answer, or none of a registry.
        RegistryRefused: wrong login, or none where one is needed.
    """
    if login and docker and docker.trouble() is None:
        try:
            docker.log_in(HUB_LOGIN if registry == HUB else registry, login)
        except RolloutError as error:
            refused = any(words in str(error) for words in _REFUSALS)
            kind = RegistryRefused if refused else RegistryUnreachable
            raise kind(f"{registry} does not take the login of {login.username}: {error}") from None
        return f"lets {login.username} in, says Docker Engine on {docker.node.name}"
    who = login.username if login else "everybody"
    basic = (login.username, login.password.get_secret_value()) if login else None
    url = f"{address(registry)}/v2/"
    try:
        with httpx.Client(timeout=timeout_s, follow_redirects=True) as client:
            answer = client.get(url)
            if answer.status_code == HTTPStatus.UNAUTHORIZED:
                answer = client.get(url, headers=_authorization(client, answer, basic))
    except httpx.HTTPStatusError as error:
        raise RegistryRefused(
            f"{registry} gives no token to {who}: {error.response.status_code}"
        ) from None
    except (httpx.HTTPError, ValueError) as error:
        raise RegistryUnreachable(f"{registry} does not answer as a registry: {error}") from None
    if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise RegistryRefused(f"{registry} does not let {who} in: {answer.status_code}")
    if answer.is_error:
        raise RegistryUnreachable(f"{registry} does not serve: it says {answer.status_code}")
    return f"lets {who} in"


def packed_size(
    source: Source, login: Credentials | None, architecture: str, timeout_s: float
) -> int | None:
    """Bytes of all layers as they are sent; None if the registry does not say."""
    name, _, digest = source.reference.partition("@")
    _, path, tag = split(name)
    url = f"{address(source.registry)}/v2/{path}/manifests/"
    basic = (login.username, login.password.get_secret_value()) if login else None
    try:
        with httpx.Client(timeout=timeout_s, follow_redirects=True) as client:
            manifest = _manifest(client, url + (digest or tag), basic)
            for entry in manifest.get("manifests", []):
                if entry.get("platform", {}).get("architecture") == architecture:
                    manifest = _manifest(client, url + str(entry["digest"]), basic)
                    break
    except (httpx.HTTPError, ValueError):
        return None
    layers = manifest.get("layers")
    return sum(int(layer["size"]) for layer in layers) if layers else None


def digest(source: Source, login: Credentials | None, timeout_s: float) -> str | None:
    """What the registry calls the image of this tag now; None if it does not say."""
    _, path, tag = split(source.reference)
    basic = (login.username, login.password.get_secret_value()) if login else None
    try:
        with httpx.Client(timeout=timeout_s, follow_redirects=True) as client:
            url = f"{address(source.registry)}/v2/{path}/manifests/{tag}"
            return _asked(client, url, basic).headers.get("Docker-Content-Digest")
    except (httpx.HTTPError, ValueError):
        return None


def _manifest(client: httpx.Client, url: str, basic: tuple[str, str] | None) -> dict[str, Any]:
    return cast(dict[str, Any], _asked(client, url, basic).json())


def _asked(client: httpx.Client, url: str, basic: tuple[str, str] | None) -> httpx.Response:
    accept = {"Accept": ", ".join(KINDS)}
    answer = client.get(url, headers=accept)
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        answer = client.get(url, headers=accept | _authorization(client, answer, basic))
    return answer.raise_for_status()


def _authorization(
    client: httpx.Client, refused: httpx.Response, basic: tuple[str, str] | None
) -> dict[str, str]:
    """What the refusal asks for: the login itself, or a token that a login or nobody gets."""
    kind, _, rest = refused.headers.get("WWW-Authenticate", "").partition(" ")
    auth = httpx.BasicAuth(*basic) if basic else None
    if kind.lower() != "bearer":
        request = client.build_request("GET", refused.url)
        return dict(next(auth.auth_flow(request)).headers) if auth else {}
    asked = dict(_PAIR.findall(rest))
    said = client.get(asked.pop("realm", ""), params=asked, auth=auth).raise_for_status().json()
    return {"Authorization": f"Bearer {said.get('token') or said.get('access_token')}"}
