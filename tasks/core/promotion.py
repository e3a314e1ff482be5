"""Promotion: an environment gets the release and the very images another one was proved with."""

from collections.abc import Sequence
from dataclasses import dataclass

from config.desired.services import images
from config.errors import StepError
from config.load import load_release
from tasks.core import release_file
from tasks.core.engine import usable
from tasks.core.release_file import Promoted, ReleaseFile
from tasks.core.site import Site, without_secrets
from tasks.core.step import Blocked, Change, Planned
from tasks.core.verified_mark import definition, holds


def promoted(source: str) -> Promoted:
    """What runs in `source` and passed all checks there, made from the release as it is now.

    Raises:
        StepError: nothing is deployed there, or what is was not verified as it is, or the release's
            settings were changed since.
    """
    site = without_secrets(source)
    found = release_file.read(site.environment, site.node)
    if not found.version:
        raise StepError("promote", f"nothing is deployed in {source}", advice=f"deploy {source}")
    site = site.replace(release=load_release(found.version))
    if trouble := _unproved(site, found):
        raise StepError(
            "promote",
            f"Dify {found.version} in {source} {trouble}",
            advice=f"rollout deploy {source}, and promote what is proved",
        )
    return Promoted(source, found.version, found.images)


def _unproved(site: Site, found: ReleaseFile) -> str:
    if not found.verified:
        return "has not passed verification"
    if found.settings_of != definition(site.release):
        return f"was verified with other settings than config/releases/{found.version}.toml has now"
    return "" if holds(site, found) else "was changed since it passed verification"


@dataclass(frozen=True, slots=True)
class SameImages:
    """The images here are the ones the source environment runs, not others of the same name."""

    site: Site
    name: str = "settings"
    settle_s: float = 0.0

    def observe(self) -> dict[str, str]:
        """Reference → image id of what is here."""
        if not usable(self.site):
            return {}
        wanted = images(self.site.environment, self.site.release).values()
        found = {reference: self.site.docker.image(reference) for reference in wanted}
        return {reference: image.id for reference, image in found.items() if image}

    def plan(self, actual: dict[str, str]) -> Sequence[Planned]:
        source = self.site.promoted
        if source is None:
            return []
        return [
            Blocked(
                f"run {reference} as {source.source} does",
                f"{reference} is another image than {source.source} was verified with "
                f"({identity[7:19]}, not {source.images[reference][7:19]})",
                "the tag was moved since: load the image from a bundle of the source, "
                "or deploy the new one there first",
            )
            for reference, identity in actual.items()
            if source.images.get(reference, identity) != identity
        ]

    def apply(self, change: Change) -> None:
        """Nothing is ever planned that could be applied."""
