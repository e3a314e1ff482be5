"""Back to a moment on Pigsty: the whole cluster, by Pigsty's own playbook, and what that undoes.

Only databases go back. Files stay as they are: those that came later are asked for by nobody,
and those that were deleted meanwhile are in the restore points.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import sql

from clients.postgres import PostgresRefused
from clients.waiting import despite, until
from config.errors import StepError
from config.rules.restore_point import DRILL, PREVIOUS
from tasks.core import release_file
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.pigsty import replicas
from tasks.platforms.pigsty.facts import primary_of
from tasks.platforms.pigsty.machines import Machine
from tasks.platforms.pigsty.members import Member, primary
from tasks.platforms.pigsty.playbook import play
from tasks.platforms.pigsty.secrets import hide
from tasks.platforms.pigsty.tree import require_tree
from tasks.points import archive, interrupted_restore
from tasks.points.choice import STEP
from tasks.points.databases import session_database
from tasks.points.goal import Goal, at_moment
from tasks.points.interrupted_restore import Exchange
from tasks.points.landing import forget_jobs
from tasks.points.replaced import DATABASES
from tasks.points.repository import Repository
from tasks.points.restore import save_current
from tasks.steps.containers import running_services, stop_services
from tasks.steps.pgsql import dify_database, pgsql_steps
from tasks.tools.pigsty import PITR, Tree
from tasks.tools.wal import History, parse_history

log = logging.getLogger("rollout")

TABLES = ("accounts", "apps", "datasets", "documents", "upload_files", "conversations",
          "messages", "workflow_runs")  # fmt: skip
BACK_WITHIN_S = 600.0
SILENT_S = 60.0
_ASK_AGAIN_S = 0.5
_OTHERS = (
    "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database"
    " WHERE NOT datistemplate AND datname NOT IN ('postgres', {})"
)
_NAIVE = "SELECT data_type = 'timestamp without time zone' FROM information_schema.columns" \
    " WHERE table_schema = 'public' AND table_name = %s AND column_name = 'created_at'"  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loss:
    """What going back to `target` undoes, as of `now`.

    `backup`: where recovery starts. `lsn`: where the cluster writes now. `rows`: table → rows
    created since. `points`: restore points made since, which stay. `others`: databases of others
    in the cluster, which go back too.
    """

    target: datetime
    now: datetime
    backup: str
    lsn: str
    rows: dict[str, int]
    points: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WentBack:
    """What came of it. `safety`: the point that holds what was there before."""

    safety: str
    seconds: float


def preview(site: Site, repository: Repository, target: datetime) -> Loss:
    """What would be undone. Changes nothing.

    Raises:
        StepError: this cluster cannot go back to that time; says what it can.
    """
    _playbook(site)
    server, now = primary(site), datetime.now(UTC)
    return Loss(
        target,
        now,
        archive.start(server, at_moment(site.name, target), server.history()),
        server.lsn(),
        newer(site, target),
        tuple(point.id for point in repository.points() if point.created > target),
        others(site),
    )


def require_archive(site: Site) -> None:
    """The cluster could go back to a restore point of now. Only reads.

    Raises:
        StepError: it could not; says why.
    """
    _playbook(site)
    server = primary(site)
    archive.backups(server, server.history())


def require(site: Site, goal: Goal) -> None:
    """The cluster can go back there, or is on its way. Only reads.

    Raises:
        StepError: its archive does not lead there.
    """
    _playbook(site)
    if not interrupted_restore.pending(site):
        server = primary(site)
        archive.start(server, goal, server.history())


def go_back(site: Site, goal: Goal, own: Callable[[], Repository]) -> WentBack:
    """Dify's databases are as they were, and the stack is down.

    `own` opens the environment's repository, for the point of what is there now.

    Raises:
        StepError: what went wrong, and whether anything was changed.
    """
    began = time.monotonic()
    tree, cluster = _playbook(site), site.environment.pigsty.pg_cluster
    server = Member(Machine(site, tree, _first(site), STEP), cluster)
    begun = interrupted_restore.pending(site)
    if begun:
        interrupted_restore.require_finishes(site, begun, DATABASES)
        stop_services(site, running_services(site))
    else:
        begun = _begin(site, server, goal, own)
    _undo(site, tree, server, goal.asked(archive.start(server, goal, _history(site, begun))))
    replicas.renew(site, _await_writes(site))
    _await_way(site)
    # Rules, role and databases went back too, perhaps to before they were Dify's.
    for step in pgsql_steps(site):
        converge(step, patience=site.within(1))
    _require_back(site, goal.at)
    forget_jobs(site)
    release_file.forget_hand_steps(site.environment, site.node, since=goal.at)
    interrupted_restore.end(site)
    log.info("restore: cluster %s is at %s", cluster, goal.at.isoformat(timespec="seconds"))
    return WentBack(begun.safety, time.monotonic() - began)


def _begin(site: Site, server: Member, goal: Goal, own: Callable[[], Repository]) -> Exchange:
    """The mark of going back, made once the present state is saved as a point and archived."""
    writer = primary(site)
    history = writer.history()
    archive.start(server, goal, history)
    stop_services(site, running_services(site))
    safety = save_current(site, own)
    archive.complete(site, writer)
    begun = Exchange(goal.at.isoformat(), DATABASES, safety, goal.finish, str(history))
    interrupted_restore.begin(site, begun)
    return begun


def _history(site: Site, begun: Exchange) -> History:
    """Of the cluster as it was when going back began: it may be down or half-way by now."""
    return parse_history(begun.history) if begun.history else primary(site).history()


def _first(site: Site) -> str:
    """The machine that goes back itself. Ansible takes an empty limit for every machine there is.

    Raises:
        StepError: pigsty.yml calls none the primary.
    """
    cluster = site.environment.pigsty.pg_cluster
    if first := primary_of(site, cluster):
        return first
    raise StepError(
        STEP,
        f"no machine of {cluster} has pg_role: primary in pigsty.yml",
        advice="set it as `patronictl list` has it; nothing was changed",
    )


def _undo(site: Site, tree: Tree, server: Member, asked: Mapping[str, str]) -> None:
    """By Pigsty's playbook, one stage after the other, only `server` going back itself.

    In one go it hands the server to Patroni as soon as that can be asked, wherever recovery is by
    then, and Patroni replays all there is: the moment would be missed.
    """
    cluster = server.cluster
    play(site, STEP, tree, tree.pitr(cluster, "down", asked))
    played = play(site, STEP, tree, tree.pitr(server.machine.address, "pitr", asked))
    if played and played.fatal:
        raise StepError(
            STEP,
            f"cluster {cluster} is down and not restored: {hide(site, str(played.fatal[0]))}",
            advice="mend that and run this again",
        )
    _await_moment(site, server)
    play(site, STEP, tree, tree.pitr(cluster, "up", asked))


def _await_moment(site: Site, server: Member) -> None:
    """Recovery has ended: at the moment it was given, or it would have failed."""

    def writes() -> bool:
        return despite(
            lambda error: isinstance(error, StepError),
            server.writes,
            within_s=site.within(SILENT_S),
            every_s=_ASK_AGAIN_S,
        )

    try:
        until(
            writes,
            within_s=math.inf,
            every_s=_ASK_AGAIN_S,
            waiting=f"restore: waiting for cluster {server.cluster} to recover to the moment",
        )
    except StepError as error:
        raise StepError(
            STEP,
            f"cluster {server.cluster} is down, recovery broke off: {error.cause}",
            advice=f"read /pg/tmp/recovery.log on {server.machine.address}, mend what it "
            "says and run this again",
        ) from None


def newer(site: Site, target: datetime) -> dict[str, int]:
    """Table → rows created after that time, for those of the tables people ask about."""
    found: dict[str, int] = {}
    with session_database(site).connect() as connection:
        for table in TABLES:
            row = connection.execute(_NAIVE, [table]).fetchone()
            if row is None:
                continue
            since = target.replace(tzinfo=None) if row[0] else target
            query = sql.SQL("SELECT count(*) FROM {} WHERE created_at > %s")
            counted = connection.execute(query.format(sql.Identifier(table)), [since]).fetchone()
            found[table] = int(counted[0]) if counted else 0
    return found


def _playbook(site: Site) -> Tree:
    if not site.platform.keeps_every_moment:
        raise StepError(
            STEP,
            f"{site.name} is not on Pigsty: only its clusters have an archive of every moment",
            advice=f"take the restore point before it: rollout backup list {site.name}",
        )
    tree = require_tree(site, STEP)
    if not tree.goes_back:
        raise StepError(
            STEP,
            f"Pigsty {tree.version} has no {PITR}",
            advice="as postgres on the primary: pg-pitr --help; or take a restore point",
        )
    return tree


def others(site: Site) -> tuple[str, ...]:
    """Databases of others in the cluster, which go back too."""
    postgres = site.environment.postgres
    names = [postgres.database, postgres.plugin_database]
    ours = ", ".join(f"'{name}{suffix}'" for name in names for suffix in ("", DRILL, PREVIOUS))
    return tuple(primary(site).ask(_OTHERS.format(ours)).split())


def _require_back(site: Site, target: datetime) -> None:
    """Nothing is newer, whatever the playbook said."""
    if left := sum(newer(site, target).values()):
        raise StepError(
            STEP,
            f"the playbook ended, and {left} rows are newer than {target.isoformat()}",
            advice="look at its output above and run this again",
        )


def _await_writes(site: Site) -> Member:
    """The cluster's primary, once it has one again."""

    def answering() -> Member:
        server = primary(site)
        server.lsn()
        return server

    try:
        return despite(
            lambda error: isinstance(error, StepError),
            answering,
            within_s=site.within(BACK_WITHIN_S),
            every_s=_ASK_AGAIN_S,
            waiting="restore: waiting for the cluster to come back",
        )
    except StepError as error:
        raise StepError(
            STEP,
            f"the cluster does not come back: {error.cause}",
            advice="look at `patronictl list` and PostgreSQL's log, then run this again",
        ) from None


def _await_way(site: Site) -> None:
    """Dify's own way leads there again: a balancer asks a new primary only every few seconds."""
    within_s = site.within(BACK_WITHIN_S)
    with suppress(PostgresRefused), dify_database(site).connect(within_s):
        pass
