"""How tests log in to the API of a Prefect server."""

import base64
from collections.abc import Generator
from uuid import uuid4

import httpx


class Login(httpx.Auth):
    """Name and password, and the token without which the server changes nothing."""

    requires_response_body = True

    def __init__(self, api_url: str, login: str) -> None:
        self.headers = {
            "Authorization": f"Basic {base64.b64encode(login.encode()).decode()}",
            "Prefect-Csrf-Client": str(uuid4()),
        }
        self.url = f"{api_url}/csrf-token?client={self.headers['Prefect-Csrf-Client']}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if request.method != "GET" and "Prefect-Csrf-Token" not in self.headers:
            answer = yield httpx.Request("GET", self.url, headers=self.headers)
            self.headers["Prefect-Csrf-Token"] = answer.raise_for_status().json()["token"]
        request.headers.update(self.headers)
        yield request
