"""The machines: whether we reach them, room on their disks, their clocks."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from config.rules.finding import Reading
from config.rules.health.series import days_until
from tasks.core.site import Site
from tasks.probes.engine import Probe
from tasks.probes.health.clock import clock_reading
from tasks.probes.health.probe import Past, probe
from tasks.tools import space
from tasks.tools.space import Room

MACHINE, DISK, INODES, TREND = "machine", "disk", "inodes", "disk trend"
ENGINE = Path("/var/lib/docker")
_FULL_PCT = 100.0


def probes(site: Site, past: Past) -> list[Probe]:
    answers: dict[str, tuple[str, ...]] = {MACHINE: ()}
    answers |= dict.fromkeys((DISK, INODES, TREND, f"{MACHINE} clock"), (MACHINE,))
    return [probe(site, past, answers, _ask, "is it up, and does ssh let us in?")]


def _ask(site: Site, past: Past) -> list[Reading]:
    nodes = site.on_each()
    with ThreadPoolExecutor(len(nodes)) as pool:
        found = list(pool.map(_room, nodes))
    rooms = {
        f"{each.node.name}:{room.at}" if len(nodes) > 1 else room.at: room
        for each, (_, there) in zip(nodes, found, strict=True)
        for room in there
    }
    ahead = max((ahead for ahead, _ in found), key=abs)
    return [
        Reading(MACHINE, ", ".join(each.node.name for each in nodes)),
        *_space(site, rooms, past),
        clock_reading(f"{MACHINE} clock", ahead, site),
    ]


def _room(site: Site) -> tuple[float, list[Room]]:
    """How far its clock is ahead of ours, and its filesystems."""
    environment = site.environment
    places = [environment.dify.data, environment.dify.home, ENGINE]
    asked = time.time()
    clock, rooms = space.parse(site.node.run(space.ask(places)))
    return clock - min(max(clock, asked), time.time()), rooms


def _space(site: Site, rooms: dict[str, Room], past: Past) -> list[Reading]:
    limits = site.environment.limits
    used = {name: 100 * room.used for name, room in rooms.items()}
    inodes = {name: 100 * room.inodes for name, room in rooms.items()}
    fullest, densest = max(used, key=lambda n: used[n]), max(inodes, key=lambda n: inodes[n])
    return [
        Reading(
            DISK,
            f"{fullest}, {rooms[fullest].free / 1e9:.3g} GB free",
            used[fullest],
            "%",
            limits.disk_pct,
            advice=f"make room on {fullest}: du -x -d 2 {rooms[fullest].at} | sort -n, "
            "docker system df",
            parts=used,
        ),
        Reading(
            INODES,
            densest,
            inodes[densest],
            "%",
            limits.disk_pct,
            advice=f"too many small files on {densest}",
            parts=inodes,
        ),
        _trend(site, used, past),
    ]


def _trend(site: Site, used: dict[str, float], past: Past) -> Reading:
    left = {
        name: days
        for name in used
        if f"{DISK} {name}" in past.series
        and (days := days_until(past.series[f"{DISK} {name}"], _FULL_PCT)) is not None
    }
    if not left:
        return Reading(TREND, "no disk fills up")
    soonest = min(left, key=lambda name: left[name])
    return Reading(
        TREND,
        f"until {soonest} is full",
        left[soonest],
        "days",
        site.environment.limits.disk_days,
        advice=f"find out what grows on {soonest} while there is room",
        parts=left,
    )
