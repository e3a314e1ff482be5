"""Requests to one Dify: address, trust, session, and errors people can read."""

import base64
import ssl
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from clients.command import PATIENCE
from config.errors import RolloutError
from config.release import Api

ANSWERS_WITHIN_S = 30
CONNECTS_WITHIN_S = 5
_OK = (200, 201, 204)
_SHOWN = 200  # characters of an answer that is not Dify's


class DifyError(RolloutError):
    """Dify, or what stands before it, did not do what was asked. `status` 0: no answer at all."""

    def __init__(self, asked: str, why: str, status: int = 0) -> None:
        super().__init__(f"{asked}: {why}")
        self.status = status


class Transport(httpx.HTTPTransport):
    """A connection for each request.

    nginx ends idle ones when it is reloaded: a request on one that is just being closed gets no
    answer, and a POST is not sent again by itself.
    """

    def __init__(self, verify: ssl.SSLContext | bool) -> None:
        super().__init__(verify=verify, limits=httpx.Limits(max_keepalive_connections=0))


class Pinned(Transport):
    """Connects to `place`, whoever the URL names; Host header, SNI and certificate stay its."""

    def __init__(self, place: tuple[str, int], verify: ssl.SSLContext | bool) -> None:
        super().__init__(verify)
        self._host, self._port = place

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=self._host, port=self._port),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return super().handle_request(pinned)


class Session:
    """A client that keeps cookies or token, and adds what a release wants with each request."""

    def __init__(
        self, base_url: str, api: Api, transport: httpx.BaseTransport, patience: float = 1.0
    ) -> None:
        self._base64 = api.password == "base64"  # noqa: S105
        self._tokens = api.session == "bearer"
        self._bearer: dict[str, str] = {}
        self._limits = httpx.Timeout(
            ANSWERS_WITHIN_S * patience, connect=CONNECTS_WITHIN_S * patience
        )
        self._http = httpx.Client(
            base_url=base_url, transport=transport, timeout=self._limits, trust_env=False
        )

    def close(self) -> None:
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str | int] | None = None,
        files: Any = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer to a request.

        Raises:
            DifyError: no answer, or a status other than 200, 201 and 204.
        """
        asked = f"{method} {path}"
        try:
            response = self._http.request(
                method,
                path,
                json=json,
                params=params,
                files=files,
                data=data,
                headers={**self._credentials(path), **(headers or {})},
            )
        except httpx.HTTPError as error:
            raise DifyError(asked, _why(error, self._limits)) from None
        return _accepted(asked, response)

    def json(self, method: str, path: str, **request: Any) -> Any:
        """The JSON document a request is answered with. Raises DifyError as `ask` does."""
        response = self.ask(method, path, **request)
        try:
            return response.json()
        except ValueError:
            raise DifyError(
                f"{method} {path}", f"not JSON but {_shown(response)}", response.status_code
            ) from None

    @contextmanager
    def stream(
        self, method: str, path: str, *, json: Any, headers: Mapping[str, str], within_s: float
    ) -> Generator[Iterable[str]]:
        """The lines of an answer as they come. Raises DifyError as `ask` does, or when late."""
        asked = f"{method} {path}"
        deadline = time.monotonic() + within_s
        try:
            with self._http.stream(method, path, json=json, headers=headers) as response:
                if response.status_code not in _OK:
                    response.read()
                yield _until(deadline, asked, _accepted(asked, response).iter_lines())
        except httpx.HTTPError as error:
            raise DifyError(asked, _why(error, self._limits)) from None

    def login(self, email: str, password: str) -> None:
        """The requests that follow are made as this account. Raises DifyError, 401 if refused."""
        body = {
            "email": email,
            "password": encoded(password) if self._base64 else password,
            "remember_me": True,
            "language": "en-US",
        }
        answer = self.json("POST", "/console/api/login", json=body)
        if answer.get("result") != "success":
            # Status 200 with result "fail": an account without a workspace.
            raise DifyError("POST /console/api/login", str(answer.get("data", "refused")), 200)
        if self._tokens:
            self._bearer = {"Authorization": f"Bearer {answer['data']}"}
        elif self._csrf() is None:
            raise DifyError("POST /console/api/login", "accepted, but no csrf_token cookie was set")

    def _credentials(self, path: str) -> dict[str, str]:
        if not path.startswith("/console/"):
            return {}
        csrf = self._csrf()
        return {**self._bearer, **({"X-CSRF-Token": csrf} if csrf else {})}

    def _csrf(self) -> str | None:
        """Dify names its cookies `__Host-…` behind https, and plainly otherwise."""
        cookies = {cookie.name: cookie.value for cookie in self._http.cookies.jar}
        return cookies.get("__Host-csrf_token") or cookies.get("csrf_token")


def encoded(password: str) -> str:
    """The password as the login of 1.x expects it."""
    return base64.b64encode(password.encode()).decode()


def _until(deadline: float, asked: str, lines: Iterable[str]) -> Generator[str]:
    """Dify sends a ping every 10 s, so a stream that never ends is noticed."""
    for line in lines:
        if time.monotonic() > deadline:
            raise DifyError(asked, "the stream did not end in time")
        yield line


def _accepted(asked: str, response: httpx.Response) -> httpx.Response:
    if response.status_code not in _OK:
        why = f"status {response.status_code}: {_shown(response)}"
        raise DifyError(asked, why, response.status_code)
    return response


def _shown(response: httpx.Response) -> str:
    """What an answer says: Dify's own message, or the start of whatever else it is."""
    try:
        message = response.json()["message"]
    except (ValueError, KeyError, TypeError):
        kind = response.headers.get("content-type", "").partition(";")[0]
        text = "" if kind == "text/html" else " ".join(response.text.split())[:_SHOWN]
        return text or f"{response.reason_phrase or 'empty'} ({kind or 'no content type'})"
    return str(message)


def _why(error: httpx.HTTPError, limits: httpx.Timeout) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"nobody answers within {limits.connect:g} s; {PATIENCE} raises this limit"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {limits.read:g} s; {PATIENCE} raises this limit"
    return str(error) or type(error).__name__
