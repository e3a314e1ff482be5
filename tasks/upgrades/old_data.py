"""What people had before an upgrade: asked of the old release, and behind the page of the new one.

No model is asked, as by a search by meaning: it may be away without any upgrade, and costs money.
"""

import logging
from collections.abc import Collection
from functools import partial

from clients.dify import Dify
from config.rules.finding import Finding
from tasks.core.site import Site
from tasks.points import kept, vectors
from tasks.probes.engine import Probe, ask_all
from tasks.probes.subjects.portal import open_dify
from tasks.probes.verify.run import failed

log = logging.getLogger("rollout")

LOGIN = "the administrator gets in as before"
_TENANTS = 20


def lost(site: Site) -> list[str]:
    """The questions that the release that runs does not answer well: no upgrade is to blame."""
    bad = [each for each in _ask(site) if each.bad]
    for each in bad:
        log.warning("upgrade: %s: no, before it already: %s", each.probe, each.said)
    return [each.probe for each in bad]


def require(site: Site, *, but: Collection[str]) -> list[Finding]:
    """The findings of all questions `but` these.

    Raises:
        StepError: the new release has lost something.
    """
    found = _ask(site, but)
    if error := failed(found):
        raise error
    return found


def probes(site: Site, dify: Dify) -> list[Probe]:
    api = "look at the log of the API: docker logs of api"
    storage = "look at privkeys in the storage, and who owns it"
    keys = partial(kept.keys, site, kept.storage(site), _TENANTS)
    nearest = partial(vectors.nearest, site)

    def login() -> str:
        email = site.environment.dify.admin_email
        dify.login(email, site.secret("admin_password"))
        return f"as {email}"

    def document() -> str:
        return "it is" if kept.document(site, dify) else "there is none"

    def embedded() -> str:
        return "it is" if vectors.document(site, dify) else "there is none"

    return [
        Probe("what was encrypted before can be decrypted", keys, within_s=60, advice=storage),
        Probe(vectors.NEAREST, nearest, within_s=120, advice=vectors.ADVICE),
        Probe(LOGIN, login, (), 40, api),
        Probe("a document of before is found by a search", document, (LOGIN,), 60, api),
        Probe("a document with embeddings of before is found", embedded, (LOGIN,), 60, api),
    ]


def _ask(site: Site, but: Collection[str] = ()) -> list[Finding]:
    with open_dify(site) as dify:
        asked = [each for each in probes(site, dify) if each.name not in but]
        return ask_all(asked, patience=site.within(1))
