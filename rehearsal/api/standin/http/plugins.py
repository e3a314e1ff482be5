"""What only the plugin daemon can answer."""

import json
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from flask import Blueprint

from standin.http.errors import ApiError
from standin.http.session import signed_in
from standin.settings import PLUGINS, text

routes = Blueprint("plugins", __name__)


@routes.get("/console/api/workspaces/current/model-providers")
def model_providers() -> dict[str, Any]:
    return {"data": providers(signed_in().tenant)}


def providers(tenant: str) -> list[Any]:
    """The installed model providers. Raises ApiError 400 if the daemon does not answer."""
    if not PLUGINS:
        return []
    url = text("PLUGIN_DAEMON_URL", "http://plugin_daemon:5002").rstrip("/")
    path = f"/plugin/{tenant}/management/models?page=1&page_size=256"
    request = Request(url + path, headers={"X-Api-Key": text("PLUGIN_DAEMON_KEY")})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=5) as answer:
            return json.load(answer)["data"]
    except (URLError, HTTPException, OSError, ValueError) as error:
        message = f"Failed to request plugin daemon, url: {path}: {error}"
        raise ApiError(400, "invalid_param", message) from error
