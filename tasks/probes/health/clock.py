"""A clock beside ours. Sessions, signed links and certificates all go wrong by a wrong one."""

from config.rules.finding import Reading
from tasks.core.site import Site


def clock_reading(probe: str, ahead_s: float, site: Site) -> Reading:
    """`ahead_s`: seconds that clock is ahead of ours."""
    return Reading(
        probe,
        f"{abs(ahead_s):.2g} s {'ahead of' if ahead_s > 0 else 'behind'} this machine",
        abs(ahead_s),
        "s",
        site.environment.limits.clock_s,
        advice="set the clocks by NTP: timedatectl, chronyc tracking",
    )
