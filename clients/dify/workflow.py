"""Workflow apps: made in the console, run through the service API."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from clients.dify.session import DifyError, Session

_PAGE = 100
_RUN = "/v1/workflows/run"
Event = dict[str, Any]


class Workflows:
    """The part of the console API below /apps, and /v1/workflows."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, name: str) -> str:
        """Id of a new, empty workflow app."""
        body = {
            "name": name,
            "mode": "workflow",
            "description": "",
            "icon_type": "emoji",
            "icon": "🤖",
            "icon_background": "#FFEAD5",
        }
        return str(self._session.json("POST", "/console/api/apps", json=body)["id"])

    def publish(self, app: str, graph: dict[str, Any]) -> None:
        """The graph is what runs of the app execute from now on."""
        at = f"/console/api/apps/{app}/workflows"
        draft: dict[str, Any] = {
            "graph": graph,
            "features": {},
            "environment_variables": [],
            "conversation_variables": [],
        }
        self._session.ask("POST", f"{at}/draft", json=draft)
        self._session.ask("POST", f"{at}/publish", json={})

    def key(self, app: str) -> str:
        """A new API key of the app, valid until the app is deleted."""
        answer = self._session.json("POST", f"/console/api/apps/{app}/api-keys", json={})
        return str(answer["token"])

    def run(self, key: str, inputs: dict[str, str], user: str) -> dict[str, Any]:
        """The outputs of a run that is answered when it is over."""
        body = {"inputs": inputs, "response_mode": "blocking", "user": user}
        answer = self._session.json("POST", _RUN, json=body, headers=_bearer(key))
        return _outputs(answer["data"])

    def stream(
        self, key: str, inputs: dict[str, str], user: str, within_s: float
    ) -> Iterator[Event]:
        """The events of a run as they arrive, up to its last one, `workflow_finished`.

        Raises:
            DifyError: the run failed, the stream broke off, or it takes longer.
        """
        body = {"inputs": inputs, "response_mode": "streaming", "user": user}
        with self._session.stream(
            "POST", _RUN, json=body, headers=_bearer(key), within_s=within_s
        ) as lines:
            for event in events(lines):
                yield event
                if event["event"] == "error":
                    raise DifyError(_RUN, str(event.get("message", "failed without a message")))
                if event["event"] == "workflow_finished":
                    return
        raise DifyError(_RUN, "the stream ended without workflow_finished")

    def named(self, prefix: str) -> list[str]:
        """Ids of the apps whose name starts so."""
        answer = self._session.json(
            "GET", "/console/api/apps", params={"page": 1, "limit": _PAGE, "name": prefix}
        )
        return [str(app["id"]) for app in answer["data"] if str(app["name"]).startswith(prefix)]

    def delete(self, app: str) -> None:
        """The app is gone; its runs and keys follow as the worker gets to it."""
        self._session.ask("DELETE", f"/console/api/apps/{app}")


def events(lines: Iterable[str]) -> Iterator[Event]:
    """Server-sent events as Dify writes them: JSON in `data:`, or `event: ping` without any."""
    name, data = "", ""
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data = f"{data}\n{value}" if data else value
        elif field == "event":
            name = value
        elif not line and (data or name):
            yield _event(name, data)
            name, data = "", ""


def finished(event: Event) -> dict[str, Any]:
    """The outputs a `workflow_finished` event carries. Raises DifyError if the run failed."""
    return _outputs(event["data"])


def _event(name: str, data: str) -> Event:
    try:
        found: Event = json.loads(data) if data else {}
    except ValueError:
        raise DifyError(_RUN, f"an event that is not JSON: {data[:80]!r}") from None
    return {"event": name, **found}


def _outputs(data: dict[str, Any]) -> dict[str, Any]:
    if data["status"] != "succeeded":
        raise DifyError(_RUN, f"the run {data['status']}: {data.get('error') or 'no reason given'}")
    return dict(data.get("outputs") or {})


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
