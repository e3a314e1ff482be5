"""Proof that an environment works: every part asked, most of them as Dify itself would."""

from collections.abc import Sequence

from clients.dify import Dify
from config.errors import StepError
from config.rules.finding import Finding
from tasks.core.site import Site
from tasks.probes.engine import OnFinding, Probe, ask_all
from tasks.probes.subjects.portal import open_dify
from tasks.probes.verify import containers, portal, state
from tasks.probes.verify.application import Trial


def verify(site: Site, *, deep: bool, on_finding: OnFinding = lambda _: None) -> list[Finding]:
    """A finding of each part, in order; `on_finding` hears of each as it comes.

    `deep` uses Dify as a person would, and removes what that leaves. Nothing raises:
    what cannot be asked is a failed check.
    """
    with open_dify(site) as dify:
        probes = every_probe(site, dify, deep=deep)
        if deep:
            return _with_trial(Trial(site, dify), probes, on_finding)
        return ask_all(probes, patience=site.within(1), on_finding=on_finding)


def every_probe(site: Site, dify: Dify, *, deep: bool) -> list[Probe]:
    """What is asked of an environment, but for what makes things in Dify."""
    return [
        *state.probes(site, deep=deep),
        *containers.probes(site, deep=deep),
        *portal.probes(site, dify),
    ]


def failed(checks: Sequence[Finding]) -> StepError | None:
    """What failed and what to do, as one error; None if nothing did."""
    bad = [check for check in checks if check.at_fault]
    if not bad:
        return None
    unknown = sum(check.bad for check in checks) - len(bad)
    lines = [f"{check.probe}: no, {check.said}" for check in bad]
    rest = f"\n  {unknown} more could not be checked because of that" if unknown else ""
    advice = list(dict.fromkeys(check.advice for check in bad if check.advice))
    return StepError(
        "verify",
        f"{len(bad)} of {len(checks)} checks failed\n  " + "\n  ".join(lines) + rest,
        advice="; ".join(advice) or "look at the logs of the services named above",
    )


def _with_trial(trial: Trial, probes: list[Probe], on_finding: OnFinding) -> list[Finding]:
    found: list[Finding] = []
    patience = trial.site.within(1)
    try:
        found += ask_all([*probes, *trial.probes()], patience=patience, on_finding=on_finding)
    finally:
        if trial.entered:
            found += ask_all([trial.removal()], patience=patience, on_finding=on_finding)
    return found
