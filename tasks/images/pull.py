"""Pulling images from the places an environment names, one place standing in for another."""

import logging
import threading
import time
from dataclasses import dataclass, field
from itertools import count
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from docker.errors import DockerException
from requests import RequestException

from clients.command import PATIENCE
from clients.docker import Docker
from config.environment import Images as Settings
from config.errors import RolloutError, StepError
from config.rules.sources import Source, sources
from tasks.core.progress import Arrived, Moved, tell
from tasks.core.retries import Attempts, given_up
from tasks.core.side_by_side import side_by_side
from tasks.tools.registry import Refusal, judge

if TYPE_CHECKING:
    from blocks.login import Login

log = logging.getLogger("rollout")

PULLS_AT_ONCE = 3
ONCE = Attempts()
# Without a byte; times the patience.
STALLED_AFTER_S = 60.0
SHOWN = 300

Digests = dict[str, str]
Refused = tuple[Refusal, str]


@dataclass
class Pulls:
    """Pulls of several images side by side, which learn from each other which places are down."""

    docker: Docker
    settings: Settings
    digests: Digests
    logins: dict[str, "Login"]
    deadline: float
    attempts: Attempts = ONCE
    down: set[str] = field(default_factory=set[str])
    stopped: threading.Event = field(default_factory=threading.Event)

    def fetch(self, reference: str) -> None:
        """`reference` names the image, got from the first place that serves it.

        Raises:
            StepError: none does, there is no space left, or the time is over.
        """
        began = time.monotonic()
        open_sources = sources(reference, self.digests.get(reference), self.settings.registries)
        refused: dict[Source, Refused] = {}
        for attempt in count(1):
            for source in sorted(open_sources, key=lambda source: source.registry in self.down):
                answer = self._ask(reference, source)
                if answer is None:
                    self._arrived(reference, source, time.monotonic() - began)
                    return
                refused[source] = refusal, words = answer
                log.info("images: %s did not come from %s: %s", reference, source.registry, words)
                if refusal is Refusal.NO_SPACE:
                    raise _failure(reference, {source: refused[source]})
                if refusal is not Refusal.PASSING:
                    open_sources.remove(source)
            failure = _failure(reference, refused)
            if not open_sources or attempt == self.attempts.most:
                raise given_up("images", failure, attempt, time.monotonic() - began)
            self._wait(reference, attempt, failure)

    def _ask(self, reference: str, source: Source) -> Refused | None:
        """Pull from one place: None if it served."""
        quiet_s = STALLED_AFTER_S * self.docker.node.patience
        try:
            for line in self.docker.pull(
                source.reference,
                self.logins.get(source.registry),
                quiet_s=quiet_s,
            ):
                self._look_at_clock(reference)
                _tell_layer(reference, line)
        except (DockerException, RequestException, RolloutError, OSError) as error:
            if isinstance(error, StepError):
                raise
            words = _words(error, quiet_s)
            refusal = judge(words)
            if refusal is Refusal.PASSING:
                self.down.add(source.registry)
            return refusal, words
        self.down.discard(source.registry)
        return None

    def _arrived(self, reference: str, source: Source, seconds: float) -> None:
        """Give the image the name the stack knows it by."""
        if source.reference != reference:
            name, _, tag = reference.rpartition(":")
            self.docker.tag(source.reference, name, tag)
        log.info("images: pulled %s from %s, %.1f s", reference, source.registry, seconds)
        tell(Arrived(reference, source.registry, seconds))

    def _wait(self, reference: str, failed: int, failure: StepError) -> None:
        """Said as of a step, which would lose what its other images have come to."""
        seconds, most = self.attempts.wait_s(failed, failure), self.attempts.most
        log.warning("attempt %d of %d in %.0f s: %s", failed + 1, most, seconds, failure.cause)
        self.stopped.wait(max(0, min(seconds, self.deadline - time.monotonic())))
        self._look_at_clock(reference)

    def _look_at_clock(self, reference: str) -> None:
        if self.stopped.is_set():
            raise StepError("images", f"{reference}: the pull was interrupted")
        if time.monotonic() > self.deadline:
            raise StepError(
                "images",
                f"{reference}: the pull took longer than images.pull_within_s",
                advice="run it again, it resumes; or raise the limit",
            )


def pull(
    docker: Docker,
    references: list[str],
    settings: Settings,
    digests: Digests,
    attempts: Attempts = ONCE,
) -> None:
    """All references, a few at a time; each as often as `attempts` says.

    Raises:
        StepError: the first that cannot be had, when the others have ended.
    """
    # Prefect, which keeps them, takes a second to import: only where there are any.
    from blocks import login

    logins = {
        registry: login.load(name, f"images.logins.{registry}")
        for registry, name in settings.logins.items()
    }
    deadline = time.monotonic() + settings.pull_within_s
    pulls = Pulls(docker, settings, digests, logins, deadline, attempts)
    side_by_side(pulls.fetch, references, PULLS_AT_ONCE, pulls.stopped)


def _tell_layer(reference: str, line: dict[str, Any]) -> None:
    """The engine tells bytes per layer; only those that come over the network count."""
    detail: dict[str, int] = line.get("progressDetail") or {}
    if line.get("status") == "Downloading" and detail.get("total"):
        tell(Moved(reference, str(line["id"]), detail["current"], detail["total"]))


def _words(error: Exception, quiet_s: float) -> str:
    """The engine's own words, without the address of its socket around them.

    They may carry the whole page a registry answered with.
    """
    if isinstance(error, RequestException) and "timed out" in str(error).lower():
        return f"nothing came for {quiet_s:g} s; {PATIENCE} raises this limit"
    text = str(getattr(error, "explanation", None) or error)
    return shorten(text, SHOWN, placeholder=" …")


def _failure(reference: str, refused: dict[Source, Refused]) -> StepError:
    """What each place said, in a sentence each."""
    said = {source.registry: f"{why.value} ({words})" for source, (why, words) in refused.items()}
    refusals = [refusal for refusal, _ in refused.values()]
    cause = refusals[0].value if len(said) == 1 else "no registry serves it"
    return StepError(
        "images",
        f"{reference}: {cause}",
        tried="; ".join(f"{registry}: {words}" for registry, words in said.items()),
        advice=refusals[-1].advice,
    )
