"""The first answer of Socket.IO's polling transport, in the websocket service only."""

import json
import secrets

from flask import Blueprint, Response, request

from standin.http.errors import ApiError

routes = Blueprint("websocket", __name__)


@routes.get("/socket.io/")
def handshake() -> Response:
    if request.args.get("EIO") != "4" or request.args.get("transport") != "polling":
        raise ApiError(400, "bad_request", "Only EIO=4 over polling is answered.")
    opened = {
        "sid": secrets.token_urlsafe(15),
        "upgrades": ["websocket"],
        "pingTimeout": 20000,
        "pingInterval": 25000,
        "maxPayload": 1000000,
    }
    return Response("0" + json.dumps(opened), mimetype="text/plain")
