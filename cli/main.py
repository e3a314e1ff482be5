"""The `rollout` command: each subcommand calls one flow. Prefect is imported only when needed."""

import gc
import os
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import backup, images, release, server
from cli.groups import Commands
from cli.options import Environment, Json, Version, Yes
from config.errors import RolloutError

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run Dify in production on your own machines.",
)

Only = Annotated[list[str] | None, typer.Option("--only", help="Only this step; repeatable")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the history")]

app.add_typer(backup.app, name="backup")
app.add_typer(images.app, name="images")
app.add_typer(release.app, name="release")
app.add_typer(server.app, name="server")

FINE, FAILED, CHANGES = 0, 1, 2
END_WITHIN_S = 10.0


@app.command()
def plan(
    environment: Environment, json: Json = False, only: Only = None, release: Version = ""
) -> None:
    """Show every change a deploy would make; nothing is applied.

    Exit status: 0 none, 2 there are some, 1 something is in the way of a deploy.
    """
    from cli import output, runs

    report = runs.plan(environment, only=only or [], release=release)
    output.plan(report, as_json=json)
    raise typer.Exit(FAILED if report.blocked else CHANGES if report.changes else FINE)


@app.command()
def deploy(
    environment: Environment,
    json: Json = False,
    only: Only = None,
    release: Version = "",
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Make the environment what its file says."""
    _deploy(environment, json=json, yes=yes, reason=reason, only=only or [], release=release)


@app.command()
def promote(
    source: Annotated[str, typer.Argument(help="The environment that was verified")],
    environment: Annotated[str, typer.Argument(help="The one that gets its release and images")],
    json: Json = False,
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Give one environment what another one runs and was verified with, by deploy or upgrade."""
    from cli import runs, upgrade

    given: Any = {"reason": reason, "yes": yes, "promote_from": source}
    if not runs.is_upgrade(environment, source=source):
        _deploy(environment, json=json, only=[], **given)
        return
    plain = {"to": "", "dry_run": False, "rehearse": False, "without_drill": False}
    raise typer.Exit(upgrade.upgrade(environment, as_json=json, **plain, **given))


def _deploy(environment: str, *, json: bool, yes: bool, reason: str, **what: Any) -> None:
    from cli import approve, output, runs

    plan = approve.approved_plan(environment, yes=yes, **what)
    report = runs.deploy(environment, reason=reason, approved_plan=plan, **what)
    output.deploy(report, as_json=json)


@app.command()
def check(environment: Environment, json: Json = False) -> None:
    """Connect to everything the environment names, and tell what does not let us in.

    Machines, PostgreSQL, Redis, proxy, registries, object store, backup repository, the recovery
    kit's keys, secrets; whom health notifies gets a message that says so. Exit status: 1 if any
    fails.
    """
    from cli import check as connections

    raise typer.Exit(connections.check(environment, as_json=json))


@app.command()
def verify(environment: Environment, json: Json = False) -> None:
    """Prove that the environment works, from SQL to a workflow run through the domain."""
    from cli import output, runs

    output.verify(runs.verify(environment), as_json=json)


@app.command()
def health(
    environments: Annotated[list[str] | None, typer.Argument(help="One, or several")] = None,
    every_one: Annotated[
        bool, typer.Option("--all", help="All environments, and a status page of them")
    ] = False,
    json: Json = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again and again until interrupted")
    ] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks", min=0)] = 5.0,
    at_once: Annotated[int, typer.Option(help="How many are asked side by side")] = 4,
) -> None:
    """Ask every part how it is. Exit status: 0 ok, 3 warning or unknown, 4 something fails."""
    from cli import health

    names = environments or []
    if not names and not every_one:
        raise RolloutError("rollout health: of what; expected an environment, or --all")
    if every_one or len(names) > 1:
        if watch:
            raise RolloutError("--watch: looks at one environment; expected its name alone")
        raise typer.Exit(health.fleet(names, at_once=at_once, as_json=json))
    if watch:
        raise typer.Exit(health.watch(names[0], every_s=every, as_json=json))
    raise typer.Exit(health.once(names[0], as_json=json))


@app.command()
def restore(
    environment: Environment,
    point: Annotated[str, typer.Argument(help="A restore point, or latest")] = "latest",
    source: Annotated[str, typer.Option("--from", help="Another environment to clone")] = "",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Only this part, or one file like storage/…; repeatable"),
    ] = None,
    to_time: Annotated[
        str, typer.Option(help="On Pigsty, instead of a point: a moment, 2026-11-24T12:30:00+00:00")
    ] = "",
    preview: Annotated[
        bool, typer.Option("--preview", help="Only show what --to-time would undo")
    ] = False,
    release: Version = "",
    migrate: Annotated[
        bool,
        typer.Option("--migrate", help="Let a release newer than the point move its schema up"),
    ] = False,
    json: Json = False,
    yes: Yes = False,
) -> None:
    """Bring the environment back to a restore point; its state now is saved as one first."""
    if to_time or preview:
        from cli import back_to

        back_to.back_to(environment, to_time, preview=preview, yes=yes, as_json=json)
        return
    from cli import restore

    restore.restore(
        environment,
        point=point,
        source=source,
        only=only or [],
        release=release,
        migrate=migrate,
        yes=yes,
        as_json=json,
    )


@app.command()
def drill(
    environment: Environment,
    point: Annotated[str, typer.Argument(help="A restore point, or latest")] = "latest",
    json: Json = False,
) -> None:
    """Prove that a restore point comes back, beside the environment and without touching it."""
    from cli import point_output, runs
    from cli.bars import bars

    with bars(shares=True):
        report = runs.drill(environment, point=point)
    point_output.drill(report, as_json=json)


@app.command()
def upgrade(
    environment: Environment,
    to: Annotated[str, typer.Option("--to", help="Dify's version instead of the file's")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change, and what is in the way")
    ] = False,
    rehearse: Annotated[
        bool,
        typer.Option(
            "--rehearse", help="Do all of it beside the environment; without --to, newest"
        ),
    ] = False,
    without_drill: Annotated[
        bool, typer.Option("--without-drill", help="Do not prove the restore point first")
    ] = False,
    json: Json = False,
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Bring the environment to another release; whatever fails, the old one serves again."""
    from cli import upgrade

    status = upgrade.upgrade(
        environment,
        to=to,
        dry_run=dry_run,
        rehearse=rehearse,
        without_drill=without_drill,
        reason=reason,
        yes=yes,
        as_json=json,
    )
    raise typer.Exit(status)


@app.command()
def rollback(
    environment: Environment, json: Json = False, reason: Reason = "", yes: Yes = False
) -> None:
    """Undo the last upgrade: database, files, settings and images of before serve again."""
    from cli import upgrade

    upgrade.rollback(environment, reason=reason, yes=yes, as_json=json)


@app.command()
def switch(
    environment: Environment,
    back: Annotated[
        bool, typer.Option("--back", help="Lead back to the old containers that still run")
    ] = False,
    json: Json = False,
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Show which old containers still run beside new ones; --back leads back to them at once.

    Exit status: 0 none, or done; 2 there are some.
    """
    from cli import switch

    raise typer.Exit(switch.switch(environment, back=back, reason=reason, yes=yes, as_json=json))


@app.command()
def adopt(
    environment: Environment,
    project: Annotated[
        str, typer.Option("--project", help="Its compose project, where there are several")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change, and what is in the way")
    ] = False,
    without_drill: Annotated[
        bool, typer.Option("--without-drill", help="Do not prove the restore point first")
    ] = False,
    re_embed: Annotated[
        bool, typer.Option("--re-embed", help="Let its models embed what it keeps no embedding of")
    ] = False,
    keep_days: Annotated[
        int, typer.Option("--keep-days", min=0, help="Refuse --finish for so many days")
    ] = 7,
    back: Annotated[bool, typer.Option("--back", help="Start the other Dify again")] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Remove the containers of the other Dify")
    ] = False,
    json: Json = False,
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Take over a Dify that somebody else set up, with its data; it stays, stopped."""
    from cli import adopt

    status = adopt.adopt(
        environment,
        project=project,
        dry_run=dry_run,
        without_drill=without_drill,
        re_embed=re_embed,
        keep_days=keep_days,
        back=back,
        finish=finish,
        reason=reason,
        yes=yes,
        as_json=json,
    )
    raise typer.Exit(status)


@app.command()
def down(
    environment: Environment,
    purge: Annotated[bool, typer.Option(help="Also delete all of its data")] = False,
    yes: Yes = False,
) -> None:
    """Stop the environment's containers and, in the sandbox, its services."""
    from cli import down as ending

    ending.down(environment, purge=purge, yes=yes)


@app.command()
def sandbox(environment: Annotated[str, typer.Argument()] = "sandbox") -> None:
    """Start a local Prefect server and deploy the sandbox through it."""
    from cli import sandbox as local

    local.sandbox(environment)


@app.command()
def history(
    environment: Environment,
    json: Json = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first")] = 20,
) -> None:
    """Show who deployed what when, from which commit, and how it ended."""
    from cli import history

    history.history(environment, limit=limit, as_json=json)


@app.command()
def support(
    environment: Environment,
    file: Annotated[Path, typer.Argument(help="Where the archive is written: NAME.tar.gz")],
) -> None:
    """Pack what somebody who helps would ask for: versions, plan, health, logs; no secret."""
    from cli import support

    support.support(environment, file)


@app.command()
def secrets(
    environment: Environment,
    name: Annotated[str, typer.Argument()] = "",
    give: Annotated[
        bool, typer.Option("--set", help="Save a value, typed unseen or read from stdin")
    ] = False,
    keep: Annotated[
        str, typer.Option("--keep", help="Of two values, the one of this place is right")
    ] = "",
    yes: Yes = False,
) -> None:
    """Print one secret, or the names of all; --set gives one that only you can know."""
    from cli import secrets as keys

    if keep:
        keys.keep(environment, name, keep)
        return
    if give:
        keys.give(environment, name, yes=yes)
        return
    for line in keys.show(environment, name):
        typer.echo(line)


def main() -> None:
    """Run the command; what a user can mend is one sentence on stderr and exit status 1."""
    gc.disable()  # importing makes a million objects and no garbage
    try:
        _run_app()
    except SystemExit as end:
        _end_in_time(end.code if isinstance(end.code, int) else FAILED if end.code else FINE)
        raise


def _run_app() -> None:
    try:
        app(standalone_mode=True)
    except RolloutError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(FAILED)
    except Exception as error:  # noqa: BLE001 - explained there
        sys.exit(_explained(error))
    except KeyboardInterrupt:
        typer.echo("interrupted: run the same command again, it resumes", err=True)
        sys.exit(130)


def _end_in_time(status: int) -> None:
    """Prefect waits at the end for a server that has gone; after some seconds nobody else does."""
    if "prefect" not in sys.modules:
        return

    def end() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    timer = threading.Timer(END_WITHIN_S, end)
    timer.daemon = True
    timer.start()


def _explained(error: Exception) -> int:
    """The exit status of an error that is no RolloutError, once it was explained."""
    from cli import server_errors, unexpected

    said, status = server_errors.sentence(error), FAILED
    if not said:
        said, status = unexpected.told(error), unexpected.STATUS
    typer.echo(f"error: {said}", err=True)
    return status


if __name__ == "__main__":
    main()
