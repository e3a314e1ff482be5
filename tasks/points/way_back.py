"""From a restore that fails half-way to what served before."""

import logging
from collections.abc import Callable, Mapping

from pydantic import SecretStr

from clients import running
from config.errors import RolloutError
from tasks.core import adoption_mark
from tasks.core.site import Site
from tasks.points import interrupted_restore
from tasks.points.choice import again, choose
from tasks.points.databases import Twin
from tasks.points.filling import fill_database
from tasks.points.interrupted_restore import Exchange
from tasks.points.landing import Landing, forget_jobs
from tasks.points.repository import Repository
from tasks.points.served import Served, failure, lost
from tasks.steps.maintenance import reopen

log = logging.getLogger("rollout")

Keep = Callable[[Site, Mapping[str, SecretStr]], None]


class WayBack:
    """From a restore that fails half-way to what served before.

    A plain class for the reason `Site` is one.
    """

    def __init__(
        self,
        landing: Landing,
        served: Served,
        own: Callable[[], Repository],
        keep: Keep,
        earlier: Exchange | None,
    ) -> None:
        self.landing = landing
        self.served = served
        self.own = own
        self.keep = keep
        self.earlier = earlier
        self.safety = earlier.safety if earlier else ""
        self._taken_over: Mapping[str, SecretStr] = {}

    def begin(self) -> None:
        """From now on files and databases may be of two times."""
        choice, site = self.landing.choice, self.landing.site
        command = again(site, choice, choice.options)
        begun = Exchange(choice.point.id, choice.parts, self.safety, command)
        adoption_mark.own_replaced(site, self.safety)
        interrupted_restore.begin(site, begun)

    def take_over(self, secrets: Mapping[str, SecretStr]) -> None:
        """From now on these may be the environment's."""
        self._taken_over = secrets
        if secrets:
            self.keep(self.landing.site, secrets)

    def failed(self, error: BaseException) -> BaseException:
        """What served before serves again; the error that says so.

        Where nothing served, what was restored stays, for the next run to go on with.
        """
        landing, name = self.landing, self.landing.site.name
        running.begin()  # a cancel has stopped the restore, and does not stop the way back
        try:
            if not landing.begun:
                landing.clear()
                if not self.earlier:
                    interrupted_restore.end(landing.site)
                    adoption_mark.own_is_back(landing.site, self.safety)
                if self.served.services:
                    self.served.start()
                    reopen(landing.site)
                return error
            if not self.served.services:
                return error
            self._go_back()
        except RolloutError as trouble:
            return failure(error, lost(trouble, self.safety, name))
        log.warning("restore: failed; what served before serves again")
        if not isinstance(error, Exception):
            return error
        return failure(error, f"what served before serves again; {self.safety} is the same state")

    def _go_back(self) -> None:
        site = self.landing.site
        log.warning("restore: it failed half-way, going back to what served before")
        self.begin()
        self.served.stop()
        self.landing.take_back(self._refill)
        forget_jobs(site)
        if old := {name: site.secrets[name] for name in self._taken_over if name in site.secrets}:
            self.keep(site, old)
        interrupted_restore.end(site)
        self.served.put_back()
        adoption_mark.own_is_back(site, self.safety)
        reopen(site)

    def _refill(self, twin: Twin) -> None:
        """Without an administrator no database was put aside: the point has what was there."""
        site = self.landing.site
        fill_database(site, choose(site, self.own(), self.safety, [twin.part]), twin.live, twin)
