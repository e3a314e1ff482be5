"""Running Pigsty's playbooks: one at a time, watched, and believed only when the world agrees.

An exit status of 0 may mean that nothing was done, one of 2 that everything was: what decides is
what the step observes afterwards. What Ansible reported only explains it.
"""

import logging
from collections.abc import Callable
from typing import Any

from clients.command import PATIENCE, Command, CommandFailed
from clients.waiting import until
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, Step
from tasks.platforms.pigsty.secrets import hide, mask
from tasks.platforms.pigsty.tree import require_tree
from tasks.tools import ansible
from tasks.tools.ansible import Played
from tasks.tools.pigsty import BUSY, Tree

log = logging.getLogger("rollout")

TURN_WITHIN_S = 7200.0
RESUME = "mend what failed there; running the deploy again resumes here"
ASK_AGAIN_S = 1.0


def carry_out(
    site: Site,
    step: Step[Any],
    change: Change,
    command: Command,
    *,
    then: Callable[[], None] = lambda: None,
    advice: str = RESUME,
) -> None:
    """Run what makes the change, when no other playbook runs, if it is then still to be made.

    `then`: what the playbook leaves to us, before anybody looks.

    Raises:
        StepError: no host took part, a host was not reached, or the change is not to be seen
            afterwards; says what failed.
    """
    tree = require_tree(site, step.name)
    played = play(site, step.name, tree, command, lambda: _needed(step, change))
    if played is None:
        log.info("%s: %s was done meanwhile", step.name, change)
        return
    then()
    left = _still_needed(step, change)
    if left:
        raise StepError(
            step.name,
            f"{command} ended, and it is still to do: {change}",
            tried=hide(site, played.reason) or "no task reported a failure",
            advice=_sudo(played) or advice,
        )
    if played.fatal:
        log.warning("%s: done, but a task failed: %s", step.name, hide(site, played.reason))


def _sudo(played: Played) -> str:
    """The advice where no task could become root; empty: another reason."""
    why = next((failure.why for failure in played.fatal), "")
    return ansible.way_on(why, "") if ansible.lacks_sudo(why) else ""


def play(
    site: Site, step: str, tree: Tree, command: Command, wanted: Callable[[], bool] = lambda: True
) -> Played | None:
    """Run one of Pigsty's commands when no other runs, if it is then still wanted; else None.

    Raises:
        StepError: it ran out of time, no host took part, or one was not reached.
    """
    while True:
        _await_turn(site, step, tree)
        if not wanted():
            return None
        if played := _try(site, step, tree, command):
            return played


def _try(site: Site, step: str, tree: Tree, command: Command) -> Played | None:
    """Run it with its output in the log line by line; None: somebody else was faster."""
    site.prefetched.forget()
    try:
        done = site.admin.attempt(tree.alone(command), _listener(site, step))
    except CommandFailed as error:
        raise _broken_off(step, command, error.reason) from None
    if done.status < 0:
        raise _broken_off(step, command, f"exit status {done.status}")
    printed = "\n".join(filter(None, (done.stdout, done.stderr)))
    played = ansible.parse(printed)
    if done.status == BUSY and not printed:
        return None
    if not played.ran and played.tasks:
        why = f"ended with status {done.status} in task {played.tasks}: {played.last}"
        raise _broken_off(step, command, "; ".join(filter(None, (why, hide(site, played.reason)))))
    if not played.ran:
        raise _nobody(site, step, command, played, done.status)
    if played.unreachable:
        first = next(f for f in played.failures if f.host in played.unreachable)
        raise StepError(
            step,
            f"Ansible does not reach {', '.join(played.unreachable)}: {hide(site, str(first))}",
            tried=str(command),
            advice=ansible.way_on(first.why, site.admin.name),
            passes=True,
        )
    return played


def _await_turn(site: Site, step: str, tree: Tree) -> None:
    within_s = site.within(TURN_WITHIN_S)
    turn = until(
        lambda: site.admin.attempt(tree.quiet()).status != BUSY,
        within_s=within_s,
        every_s=ASK_AGAIN_S,
        waiting=f"{step}: waiting for another playbook in {tree.home} to end",
    )
    if not turn:
        raise StepError(
            step,
            f"another playbook has been running in {tree.home} for {within_s:g} s",
            advice=f"look who holds {tree.lock()} (fuser); end it, or raise {PATIENCE}; "
            "then deploy again",
        )


def _needed(step: Step[Any], change: Change) -> bool:
    return change in step.plan(step.observe())


def _still_needed(step: Step[Any], change: Change) -> bool:
    return not until(lambda: not _needed(step, change), within_s=step.settle_s, every_s=0.2)


def _broken_off(step: str, command: Command, why: str) -> StepError:
    return StepError(step, f"{command}: {why}", advice="the log above shows how far it came")


def _listener(site: Site, step: str) -> Callable[[str], None]:
    """Passes every line on to the log; a task also says how many there were before it."""
    hidden = mask(site)
    tasks = 0

    def hear(line: str) -> None:
        nonlocal tasks
        text = hidden(ansible.plain(line))
        if name := ansible.task_of(text):
            tasks += 1
            log.info("%s: task %d: %s", step, tasks, name)
        elif text:
            log.info("%s:   %s", step, text)

    return hear


def _nobody(site: Site, step: str, command: Command, played: Played, status: int) -> StepError:
    why = played.refusal or f"it ended with status {status} and did nothing"
    return StepError(
        step,
        f"{command}: no host took part: {hide(site, why)}",
        tried=f"in {command.cwd}",
        advice="is the cluster or host in pigsty.yml there, and pigsty.home the right tree?",
    )
