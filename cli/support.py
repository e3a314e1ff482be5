"""`rollout support`: one archive that can be attached to a report, without a secret in it."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import output, runs

if TYPE_CHECKING:
    from tasks.core.site import Site


def support(environment: str, file: Path) -> None:
    """Ask for everything, and write the archive; what cannot be asked says so in it."""
    with runs.server(environment):
        from flows.parts.opening import known_secrets
        from tasks.support.archive import pack
        from tasks.support.gather import gathered

        site = known_secrets(environment)
        texts = gathered(
            site,
            {
                "plan": lambda: _plan(environment),
                "health": lambda: _health(site),
                "runs": lambda: _runs(environment),
            },
        )
        pack(texts, file)
    output.say(f"{file}: {len(texts)} files, no secret of {environment} in them")


def _plan(environment: str) -> dict[str, str]:
    from flows.parts.report import blocked_rows, plan_rows

    report = runs.plan(environment, only=[])
    rows = {"changes": plan_rows(report.outcomes), "in_the_way": blocked_rows(report.outcomes)}
    return {"plan.json": _json(rows)}


def _health(site: "Site") -> dict[str, str]:
    from config.rules.health.record import Record
    from tasks.probes.health.ask import ask

    findings = ask(site, Record()).findings
    return {"health.json": _json([dataclasses.asdict(each) for each in findings])}


def _runs(environment: str) -> dict[str, str]:
    from blocks.prefect_api import require_server
    from tasks.server.run_logs import run_logs

    require_server(f"the log of the runs of {environment}")
    return run_logs(environment)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=str)
