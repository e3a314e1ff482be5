"""A restored Dify looked at: rows, files and keys belong together, and people get at them."""

import logging
import secrets
from collections.abc import Sequence
from pathlib import Path

from clients.command import Command
from clients.dify import Dify
from config.rules.finding import Finding
from config.rules.restore_point import Manifest
from tasks.core.site import Site
from tasks.points import kept, uploads, vectors
from tasks.points.buckets import LISTING, UPLOADS
from tasks.probes.engine import Probe, Wrong, ask_all
from tasks.steps.pgsql import dify_database

log = logging.getLogger("rollout")

API, LOGIN = "Dify answers", "login works"
_PREVIEW = 3000
_HASH_S = 7200
_INDEX_S = 60


def verify(site: Site, manifest: Manifest) -> list[Finding]:
    """A finding of each thing a restore must bring back."""
    dify = site.environment.dify
    patience = site.within(1)
    with Dify(f"http://{dify.bind}:{dify.port}", site.release.api, patience=patience) as client:
        probes = Proof(site, manifest, client).probes()
        return ask_all(probes, patience=patience, on_finding=log_finding)


def log_finding(finding: Finding) -> None:
    log.info("%s: %s, %s", finding.probe, "yes" if finding.ok else "NO", finding.said)


class Proof:
    """What is asked of one restored Dify."""

    def __init__(self, site: Site, manifest: Manifest, dify: Dify) -> None:
        self.site = site
        self.manifest = manifest
        self.dify = dify
        self.name = f"rollout-drill-{secrets.token_hex(4)}"

    def probes(self) -> Sequence[Probe]:
        api = "look at the log of the restored API: docker logs of api"
        worker = "indexing is done by the worker: look at its log"
        lost = "the point is not whole: take a new one and look at the repository"
        found = [
            Probe("the schema is the point's", self.schema, advice=lost),
            Probe("the rows are there", self.rows, within_s=600, advice=lost),
            Probe("every upload has its file", self.files, within_s=_HASH_S, advice=lost),
            Probe("tenant keys decrypt", self.keys, within_s=600, advice=lost),
            Probe(API, self.answers, within_s=30, advice=api),
        ]
        if self.manifest.rows.get("accounts"):
            found += [
                Probe(vectors.NEAREST, self.vectors, within_s=600, advice=vectors.ADVICE),
                Probe(LOGIN, self.login, (API,), 40, api),
                Probe("an upload is read through Dify", self.preview, (LOGIN,), 60, lost),
                Probe("a document is found", self.document, (LOGIN,), 120, worker),
            ]
        return found

    def schema(self) -> str:
        with dify_database(self.site).connect() as connection:
            found = uploads.revision(connection)
        if found != self.manifest.versions.get("schema"):
            raise Wrong(f"the schema is at {found or 'nothing'}")
        return found

    def rows(self) -> str:
        """More may have come between counting and dumping; a table that lost all has lost them."""
        with dify_database(self.site).connect() as connection:
            found = uploads.rows(connection)
        empty = [t for t, count in self.manifest.rows.items() if count and not found.get(t)]
        if empty:
            raise Wrong(f"nothing is left in {', '.join(empty)}")
        return f"{sum(found.values())} in {len(found)} tables"

    def files(self) -> str:
        """Each file of a row is there with the digest Dify noted when it was uploaded."""
        with dify_database(self.site).connect() as connection:
            noted = uploads.keys(connection)
        if not noted or not self._storage():
            return f"{len(noted)} uploads"
        found = self._digests()
        missing = sorted(noted.keys() - found.keys() - set(self.manifest.without_file))
        other = sorted(
            key for key, digest in noted.items() if digest and found.get(key, digest) != digest
        )
        if missing or other:
            raise Wrong(
                kept.some("have no file", missing) + kept.some("have another content", other)
            )
        return f"{len(noted)} uploads"

    def keys(self) -> str:
        """What was encrypted for a tenant before can be decrypted."""
        return kept.keys(self.site, self._storage())

    def vectors(self) -> str:
        """What was embedded before is found in its table."""
        return vectors.nearest(self.site)

    def answers(self) -> str:
        status = self.dify.status()
        if bool(self.manifest.rows.get("accounts")) != status.set_up:
            raise Wrong("it says it was set up" if status.set_up else "it says it was not set up")
        return f"Dify {status.version or 'of unknown version'}"

    def login(self) -> str:
        email = self.site.environment.dify.admin_email
        self.dify.login(email, self.site.secret("admin_password"))
        return f"as {self.dify.profile()['email']}"

    def preview(self) -> str:
        """The newest text somebody uploaded, as Dify shows it; a new one where there is none."""
        with dify_database(self.site).connect() as connection:
            newest = uploads.newest_text(connection, self.site.environment.dify.admin_email)
        storage = self._storage()
        if newest is None or storage is None:
            file = self.dify.knowledge.upload(f"{self.name}.txt", self.name)
            return self._same(file, self.name)
        content = kept.content(self.site, storage, newest.key) or b""
        return self._same(newest.id, content.decode(errors="replace")[:_PREVIEW])

    def document(self) -> str:
        """Something a knowledge base knew before; a new one where there is none."""
        if kept.document(self.site, self.dify):
            return "in a knowledge base of the point"
        file = self.dify.knowledge.upload(f"{self.name}.txt", f"The lighthouse of {self.name}.")
        indexing = self.dify.knowledge.index(file)
        self.dify.knowledge.wait(indexing, self.site.within(_INDEX_S))
        if not self.dify.knowledge.retrieve(indexing.dataset, "lighthouse"):
            raise Wrong("indexed, but a search finds nothing")
        return "in a new knowledge base; the point has none"

    def _same(self, file: str, wanted: str) -> str:
        if self.dify.knowledge.preview(file) != wanted:
            raise Wrong("Dify shows another text than was stored")
        return f"{len(wanted)} characters"

    def _storage(self) -> Path | None:
        """Where the files of the point are; None if it has none."""
        listed = self.manifest.has(UPLOADS + LISTING) and not self.manifest.has(UPLOADS)
        has_files = "storage" in self.manifest.folders and not listed
        return kept.storage(self.site) if has_files else None

    def _digests(self) -> dict[str, str]:
        """SHA3-256 of every upload by its key."""
        words = ("find", uploads.FOLDER, "-type", "f",
                 "-exec", "openssl", "dgst", "-sha3-256", "-r", "{}", "+")  # fmt: skip
        command = Command(words, cwd=str(self._storage()), changes=False, timeout_s=_HASH_S)
        lines = self.site.node.run(command).splitlines()
        return {path: digest for digest, path in (line.split(" *", 1) for line in lines)}
