"""A Dify with data of people, an upgrade of it, and whether everything is as it was."""

import base64
import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pydantic import SecretStr

from config.hand_steps import HandStep
from config.load import load_release
from config.secrets import generate
from flows.parts.graph import Graph
from flows.parts.upgrading import Upgrading
from tasks.core import release_file, upgrade_mark
from tasks.core.site import Site
from tasks.points import uploads
from tasks.probes.subjects.portal import open_dify
from tasks.probes.verify.run import failed, verify
from tasks.steps import hosts, revisions
from tasks.steps.pgsql import dify_database
from tasks.upgrades import way
from tests.integration import stack

OLD, NEW = "1.15.0", "1.17.1"
HEADS = {OLD: "5eed00001150", NEW: "5eed00001171"}
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
# What the checks of verify make is removed by the worker, later: only rows of people count.
MINE = "SELECT id FROM documents WHERE name LIKE 'mine-%'"
KEPT = {
    "accounts": "",
    "tenants": "",
    "provider_credentials": "",
    "documents": f"WHERE id IN ({MINE})",
    "document_segments": f"WHERE document_id IN ({MINE})",
}
SEALED = b"api key of a provider"
# Project and release → the secrets it was given once, as a run finds them that goes on.
_SECRETS: dict[tuple[str, str], dict[str, SecretStr]] = {}


@contextmanager
def in_use(make_site: Any, repository: Path, release: str = OLD, **more: Any) -> Generator[Site]:
    """A Dify of that release, set up, with uploads, a knowledge base and something encrypted."""
    places = {"repository": str(repository)}
    with stack.deployed(make_site, release, backup=places, upgrade={"watch_s": 0}, **more) as site:
        assert failed(verify(site, deep=True)) is None
        fill(site)
        yield site
        hosts.remove(site)


@pytest.fixture(scope="module")
def dify(module_sandbox_site: Any, tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    with in_use(module_sandbox_site, tmp_path_factory.mktemp("points") / "repository") as site:
        yield site


def fill(site: Site) -> None:
    """Uploads, a knowledge base and something encrypted, of a Dify that is set up."""
    with open_dify(site) as dify:
        dify.login(site.environment.dify.admin_email, site.secret("admin_password"))
        files = [dify.knowledge.upload(f"mine-{n}.txt", f"The lamp {n} is lit.") for n in range(3)]
        dify.knowledge.wait(dify.knowledge.index(files[0]), 60)
        embedded = dify.knowledge.index(files[1])
        dify.knowledge.wait(embedded, 60)
    with dify_database(site).connect() as connection:
        # A stand-in has no model, and stores vectors of every knowledge base.
        connection.execute(
            "UPDATE datasets SET indexing_technique = 'high_quality' WHERE id = %s",
            [embedded.dataset],
        )
        [(tenant, public)] = uploads.public_keys(connection).items()
        key = serialization.load_pem_public_key(public.encode())
        assert isinstance(key, rsa.RSAPublicKey)
        connection.execute(
            "INSERT INTO provider_credentials (tenant_id, provider_name, encrypted_config)"
            " VALUES (%s, 'mine', %s)",
            [tenant, base64.b64encode(key.encrypt(SEALED, OAEP)).decode()],
        )


def state(site: Site, bucket: Path | None = None) -> dict[str, Any]:
    """Rows, files, schema, what serves and what is decrypted: all that a way back brings back.

    `bucket`: the folder of the bucket, where the files are in one.
    """
    storage = bucket or site.environment.dify.data / "app" / "storage"
    with dify_database(site).connect() as connection:
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table} {which}".encode()).fetchone()  # noqa: S608
            for table, which in KEPT.items()
        }
        keys = connection.execute(
            "SELECT key FROM upload_files WHERE name LIKE 'mine-%' ORDER BY key"
        ).fetchall()
        [(tenant, sealed)] = connection.execute(
            "SELECT tenant_id::text, encrypted_config FROM provider_credentials"
        ).fetchall()
    pem = (storage / uploads.private_key(tenant)).read_bytes()
    private = serialization.load_pem_private_key(pem, None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return {
        "rows": counts,
        "files": {key: hashlib.sha256((storage / key).read_bytes()).hexdigest() for (key,) in keys},
        "decrypted": private.decrypt(base64.b64decode(sealed), OAEP),
        "schema": revisions.in_database(site),
        "images": images(site),
        "release": release_file.read(site.environment, site.node).version,
        "settings": (site.environment.dify.home / ".env").read_text(),
    }


def images(site: Site) -> dict[str, str]:
    """Service → image and state of each container."""
    found = site.docker.containers(site.environment.dify.project)
    return {c.service: f"{c.image} {'ready' if c.ready else c.state}" for c in found}


def to(site: Site, release: str) -> Site:
    """The same environment, asked for another release, with the secrets that one needs."""
    dify = site.environment.dify.model_copy(update={"release": release})
    environment = site.environment.model_copy(update={"dify": dify})
    found = load_release(release)
    known = _SECRETS.setdefault((dify.project, release), generate(found, site.secrets))
    return Site(environment, found, known)


def upgrade(site: Site, *steps: HandStep) -> Upgrading:
    """The upgrade to the new release, with these hand steps on its way."""
    wanted = to(site, NEW)
    found = replace(way.find(wanted), steps=steps)
    return Upgrading(Graph(wanted), wanted, found)


def require_served_as_before(site: Site, before: dict[str, Any]) -> None:
    after = state(site)
    assert {key: (before[key], now) for key, now in after.items() if now != before[key]} == {}
    assert upgrade_mark.read(site) is None
    if error := failed(verify(site, deep=True)):
        raise error


def sql_step(when: str, sql: str, query: str, wanted: str, **more: Any) -> HandStep:
    tree = {"name": f"a-step-{when}", "why": "because", "when": when, "sql": sql}
    return HandStep.model_validate(tree | {"done": {"query": query, "wanted": wanted}} | more)
