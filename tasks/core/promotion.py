"""Promotion: an environment gets the release and the very images another one was proved with."""

from collections.abc import Sequence
from dataclasses import dataclass

from config.desired.services import images
from config.errors import StepError
from config.load import load_release
from config.rules.revisions import number
from tasks.core import release_file
from tasks.core.engine import usable
from tasks.core.release_file import Promoted, ReleaseFile
from tasks.core.site import Site, without_secrets
from tasks.core.step import Blocked, Change, Planned, in_the_way
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


def is_upgrade(environment: str, source: str) -> bool:
    """Whether what was verified in `source` is a newer release than the one that runs here."""
    return _newer(without_secrets(environment), promoted(source))


def require_no_upgrade(site: Site) -> None:
    """A deploy promotes the release that runs; a newer one takes a point and a way back.

    Raises:
        StepError: the promoted release is newer.
    """
    source, name = site.promoted, site.name
    if source and _newer(site, source):
        raise StepError(
            "promote",
            f"{source.source} runs Dify {source.release}, and {name} an older one",
            advice=f"rollout promote {source.source} {name} upgrades it; in the UI, the deployment "
            f"upgrade/{name} with promote_from = {source.source!r}",
        )


def _newer(site: Site, source: Promoted) -> bool:
    runs = release_file.read(site.environment, site.node).version
    return bool(runs) and number(runs) < number(source.release)


def require_same_images(site: Site) -> None:
    """The images on every node are those of the promoted environment, if there is one.

    Raises:
        StepError: one of them is another image of that name.
    """
    for each in site.on_each():
        step = SameImages(each)
        if found := [each for each in step.plan(step.observe()) if isinstance(each, Blocked)]:
            raise in_the_way("promote", found)


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
