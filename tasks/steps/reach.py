"""Whether Dify's containers get into PostgreSQL, Redis and the object store, asked from one.

A server may let this machine in, and not the network of its containers. An upgrade asks from what
runs before it stops anything, and before it migrates from the new release and its settings.
"""

import errno
import json
import socket

import psycopg
import redis
from redis import exceptions

from clients.waiting import despite
from config.errors import StepError
from config.hand_steps import Run
from config.pigsty import migration_variables
from tasks.core.masking import masked
from tasks.core.site import Site
from tasks.core.transient import STATUSES, transient
from tasks.steps.job import JobFailed, run_job
from tasks.tools import reach
from tasks.tools.reach import Trouble

# Longer trouble is for the step's retries.
ANSWER_WITHIN_S = 15.0
_NOT_ADMITTED = {"28000"}
_GATES = {
    "PostgreSQL": "listen_addresses, firewall, pg_hba.conf",
    "Redis": "`bind` of redis.conf, firewall",
    "the object store": "its address, firewall",
}


def require_reached(site: Site) -> None:
    """A container of the release, in the stack's network, gets into all; asked again for a while.

    Raises:
        StepError: it does not; which one, from where, and what to admit.
    """
    despite(
        lambda error: isinstance(error, StepError) and error.passes,
        lambda: _ask(site),
        within_s=site.within(ANSWER_WITHIN_S),
        every_s=1,
        waiting="migrate: a container does not get into a server, asking again",
    )


def _ask(site: Site) -> None:
    environment = site.environment
    ports = [environment.postgres.port, *map(int, migration_variables(environment).values())]
    program, *words = reach.ask(ports)
    service = site.release.migration.run.service
    run = Run(service=service, entrypoint=[program], command=words)
    name = f"{environment.dify.project}-reach"
    try:
        said = run_job(
            site, run, name=name, variables={}, timeout_s=environment.dify.migrate_within_s
        )
        found = reach.parse(said)
    except (JobFailed, json.JSONDecodeError) as error:
        raise StepError(
            "migrate",
            f"a container of the release does not say whether it reaches PostgreSQL and Redis: "
            f"{masked(str(error), site)[-500:]}",
            advice="is it the image of this release? mend that and run this again",
        ) from None
    if found:
        raise trouble(site, found[0])


def trouble(site: Site, found: Trouble) -> StepError:
    """The error of a container that is kept out."""
    return StepError(
        "migrate",
        f"{found.server} at {found.at} does not let Dify's containers in: "
        f"{masked(found.said, site)}",
        advice=f"{_advice(site, found)}, and run this again",
        passes=transient(_error(found)),
    )


def _advice(site: Site, found: Trouble) -> str:
    subnet, postgres = site.environment.dify.subnet, site.environment.postgres
    if found.server == "PostgreSQL" and found.code in _NOT_ADMITTED:
        return (
            f"this machine is let in, and {found.own} is not: admit {postgres.user} from "
            f"dify.subnet ({subnet}) in pg_hba.conf, reload it"
        )
    if found.kind == "name":
        return f"let containers find the name {found.at.rpartition(':')[0]}, or give its address"
    if found.kind == "http":
        return f"mend storage.endpoint, or what stands before the store at {found.at}"
    if found.server == "the object store" and found.code is None:
        return (
            "name the authority that signed for it in storage.ca, or its name in storage.endpoint"
        )
    return f"let {subnet} through to {found.at} ({_GATES[found.server]})"


def _error(found: Trouble) -> Exception:
    """The same trouble as this machine would have met it."""
    if found.kind == "redis":
        return getattr(exceptions, str(found.code), redis.RedisError)(found.said)
    if found.kind == "name":
        return socket.gaierror(found.code, found.said)
    if found.kind == "http":  # a proxy that does not get to the store
        return OSError(errno.EHOSTUNREACH if found.code in STATUSES else None, found.said)
    if found.kind == "os":
        return OSError(found.code, found.said)
    try:
        return psycopg.errors.lookup(str(found.code))(found.said)
    except KeyError:  # none that is known, or it was let in as far as the password
        return psycopg.DatabaseError(found.said)
