"""Proof that an environment works: every part asked, most of them as Dify itself would."""

from collections.abc import Sequence

from config.errors import StepError
from tasks.core.site import Site
from tasks.probes.verify import containers, portal, state
from tasks.probes.verify.application import Trial
from tasks.probes.verify.probe import Check, OnCheck, Probe, run


def verify(site: Site, *, deep: bool, on_check: OnCheck | None = None) -> list[Check]:
    """A check of each part, in order; `on_check` hears of each as it ends.

    `deep` uses Dify as a person would, and removes what that leaves. Nothing raises:
    what cannot be asked is a failed check.
    """
    told = on_check or _silent
    with portal.open_dify(site) as dify:
        probes = state.probes(site, deep=deep)
        probes += containers.probes(site, deep=deep)
        probes += portal.probes(site, dify)
        if deep:
            return _with_trial(Trial(site, dify), probes, told)
        return run(probes, told, patience=site.within(1))


def failed(checks: Sequence[Check]) -> StepError | None:
    """What failed and what to do, as one error; None if nothing did."""
    bad = [check for check in checks if not check.ok and check.checked]
    if not bad:
        return None
    unknown = sum(not check.checked for check in checks)
    lines = [f"{check.name}: no, {check.detail}" for check in bad]
    rest = f"\n  {unknown} more could not be checked because of that" if unknown else ""
    advice = list(dict.fromkeys(check.advice for check in bad if check.advice))
    return StepError(
        "verify",
        f"{len(bad)} of {len(checks)} checks failed\n  " + "\n  ".join(lines) + rest,
        advice="; ".join(advice) or "look at the logs of the services named above",
    )


def _with_trial(trial: Trial, probes: list[Probe], told: OnCheck) -> list[Check]:
    checks: list[Check] = []
    patience = trial.site.within(1)
    try:
        checks += run([*probes, *trial.probes()], told, patience=patience)
    finally:
        if trial.entered:
            cleared = Probe("what the checks made is removed", trial.clear, within_s=30)
            checks += run([cleared], told, patience=patience)
    return checks


def _silent(check: Check) -> None:
    """Nobody listens."""
