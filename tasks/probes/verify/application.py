"""Dify used as a person would, from first login to a workflow run; then everything removed."""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from clients.dify import Dify, DifyError
from clients.dify.graphs import Graph, echo, reverse
from clients.dify.workflow import finished
from config.desired.services import active
from tasks.core.site import Site
from tasks.probes.engine import Probe, Wrong
from tasks.probes.verify.portal import API
from tasks.steps.pgsql import dify_database

PREFIX = "rollout-verify-"
SETUP, LOGIN = "Dify is set up", "login works"
UPLOAD, WORKFLOW = "an upload is read back", "a workflow runs (blocking)"
_REFUSED = (400, 401)  # which of them differs between releases
_INDEX_S = 60
_LEFT_S = 10
_STREAM_S = 60
_TEXT = """The lighthouse of {name} keeps its lamp lit all night.

Somewhere else a harbour market sells oranges and rope."""


@dataclass(slots=True)
class Trial:
    """One run of the checks that make things in Dify, and what it made so far."""

    site: Site
    dify: Dify
    name: str = field(default_factory=lambda: PREFIX + secrets.token_hex(4))
    entered: bool = False
    file: str = ""
    dataset: str = ""
    apps: list[str] = field(default_factory=list[str])
    key: str = field(default="", repr=False)

    def probes(self) -> list[Probe]:
        worker = "done by the worker: look at its log"
        storage = "look at the storage and who owns it"
        api = "look at the log of the API: docker logs of api"
        streaming = worker if self.site.release.api.streaming_queue else "done by the API"
        running = active(self.site.environment, self.site.release)
        found = [
            Probe(SETUP, self.setup, (API,), 30, api),
            Probe(LOGIN, self.login, (SETUP,), 40, api),
            Probe("profile is the administrator's", self.profile, (LOGIN,), advice=api),
            Probe(UPLOAD, self.upload, (LOGIN,), 30, storage),
            Probe(
                "a document is indexed and found",
                self.index,
                (UPLOAD,),
                within_s=_INDEX_S + 30,
                advice=f"indexing is {worker}",
            ),
            Probe(WORKFLOW, self.run, (LOGIN,), 60, api),
            Probe(
                "a workflow runs (streaming)",
                self.stream,
                (WORKFLOW,),
                within_s=_STREAM_S + 10,
                advice=f"the run is {streaming}",
            ),
        ]
        if "sandbox" in running:
            advice = "look at the log of the code sandbox: docker logs of sandbox"
            found.append(Probe("sandbox runs code", self.code, (WORKFLOW,), 60, advice))
        if "plugin_daemon" in running:
            advice = "look at the log of the plugin daemon: docker logs of plugin_daemon"
            ask = Probe("plugin daemon answers the API", self.plugins, (LOGIN,), 30, advice)
            found.append(ask)
        return found

    def removal(self) -> Probe:
        """What follows the others, once somebody could log in."""
        advice = "delete it in Dify's console"
        return Probe("what the checks made is removed", self.clear, within_s=30, advice=advice)

    def setup(self) -> str:
        if self.dify.status().set_up:
            return "already"
        dify = self.site.environment.dify
        self.dify.setup(
            dify.admin_email,
            dify.admin_name,
            self.site.secret("admin_password"),
            dify.language,
            self.site.secret("init_password"),
        )
        return f"now, with the account {dify.admin_email}"

    def login(self) -> str:
        email = self.site.environment.dify.admin_email
        try:
            self.dify.login(email, self.site.secret("admin_password"))
        except DifyError as error:
            if error.status not in _REFUSED:
                raise
            raise Wrong(
                f"Dify does not accept the saved password of {email} ({error})",
                "Dify was set up with another account or password: put that e-mail address into "
                "dify.admin_email and that password into the secret admin_password, or set the "
                "password anew with `flask reset-password` in the api container",
            ) from None
        self.entered = True
        self._sweep()
        return f"as {email}"

    def profile(self) -> str:
        email, wanted = self.dify.profile()["email"], self.site.environment.dify.admin_email
        if email != wanted:
            raise Wrong(f"logged in as {wanted}, and the profile is of {email}")
        return str(email)

    def upload(self) -> str:
        text = _TEXT.format(name=self.name)
        self.file = self.dify.knowledge.upload(f"{self.name}.txt", text)
        seen = self.dify.knowledge.preview(self.file)
        if self.name not in seen:
            raise Wrong("the file came back with other contents than were sent")
        return f"{len(text)} characters"

    def index(self) -> str:
        began = time.monotonic()
        indexing = self.dify.knowledge.index(self.file)
        self.dataset = indexing.dataset
        segments = self.dify.knowledge.wait(indexing, self.site.within(_INDEX_S))
        seconds = time.monotonic() - began
        found = self.dify.knowledge.retrieve(self.dataset, "Which lighthouse keeps its lamp lit?")
        if not found or self.name not in found[0]:
            raise Wrong(f"indexed, but a search finds {len(found)} segments, and not the right one")
        return f"{segments} segments in {seconds:.1f} s"

    def run(self) -> str:
        self.key = self._published(echo())
        _same(self.dify.workflows.run(self.key, {"q": self.name}, self.name), self.name)
        return "start, variable aggregator, end"

    def stream(self) -> str:
        began = time.monotonic()
        first, last = 0.0, 0.0
        outputs: dict[str, object] = {}
        within_s = self.site.within(_STREAM_S)
        for event in self.dify.workflows.stream(self.key, {"q": self.name}, self.name, within_s):
            last = time.monotonic() - began
            first = first or last
            if event["event"] == "workflow_finished":
                outputs = finished(event)
        _same(outputs, self.name)
        return f"first event after {first:.2f} s, finished after {last:.2f} s"

    def code(self) -> str:
        key = self._published(reverse())
        _same(self.dify.workflows.run(key, {"q": self.name}, self.name), self.name[::-1])
        return "python3, in a workflow"

    def plugins(self) -> str:
        return f"{self.dify.model_providers()} model providers"

    def clear(self) -> str:
        """Remove what this run made. Raises DifyError naming what stays, after trying all."""
        if self.file and not self.dataset:
            # Dify removes an upload only together with the dataset it is in.
            with suppress(DifyError):
                self.dataset = self.dify.knowledge.index(self.file).dataset
        left: list[str] = []
        deletions: list[tuple[Callable[[str], None], str]] = [
            (self.dify.workflows.delete, app) for app in self.apps
        ]
        if self.dataset:
            deletions.append((self.dify.knowledge.delete, self.dataset))
        for delete, made in deletions:
            try:
                delete(made)
            except DifyError as error:
                left.append(str(error))
        if left:
            raise Wrong(
                f"{self.name} is still there: {', '.join(left)}",
                "the next verification removes it; or delete it in Dify's console",
            )
        return self.name

    def _published(self, graph: Graph) -> str:
        """API key of a new app that runs the graph."""
        app = self.dify.workflows.create(self.name)
        self.apps.append(app)
        self.dify.workflows.publish(app, graph)
        return self.dify.workflows.key(app)

    def _sweep(self) -> None:
        """What a killed run left is gone: no other verifies, this one holds the environment's lock.

        Without its plugin daemon 1.x lists no datasets.
        """
        for app in self.dify.workflows.named(PREFIX):
            self.dify.workflows.delete(app)
        with suppress(DifyError):
            for file in self._lone_uploads():
                indexing = self.dify.knowledge.index(file)
                with suppress(DifyError):
                    # A worker at it still, when the dataset goes, makes its table of vectors again.
                    self.dify.knowledge.wait(indexing, self.site.within(_LEFT_S))
            for dataset in self.dify.knowledge.named(PREFIX):
                self.dify.knowledge.delete(dataset)

    def _lone_uploads(self) -> list[str]:
        """Files of ours in no dataset: Dify lists uploads nowhere but in its own table."""
        with dify_database(self.site).connect() as connection:
            found = connection.execute(
                "SELECT f.id::text FROM upload_files f WHERE f.name LIKE %s"
                " AND NOT EXISTS (SELECT FROM documents d WHERE d.name = f.name)",
                [PREFIX + "%"],
            )
            return [str(row[0]) for row in found]


def _same(outputs: dict[str, object], wanted: str) -> None:
    if outputs.get("out") != wanted:
        raise Wrong(f"the run ended well, with {outputs.get('out')!r} instead of what was sent")
