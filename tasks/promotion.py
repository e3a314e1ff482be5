"""Promotion: an environment gets the release and the very images another one was proved with."""

from collections.abc import Sequence
from dataclasses import dataclass

from blocks.nodes import open_node
from config.desired.services import images
from config.errors import StepError
from config.load import load_environment
from tasks import release_file
from tasks.release_file import Promoted
from tasks.site import Site
from tasks.step import Change


def promoted(source: str) -> Promoted:
    """What runs in `source` and passed all checks there.

    Raises:
        StepError: nothing is deployed there, or what is was never verified.
    """
    environment = load_environment(source)
    node = open_node(environment.nodes, environment.nodes.dify[0])
    found = release_file.read(environment, node)
    if not found.version:
        raise StepError("promote", f"nothing is deployed in {source}", advice=f"deploy {source}")
    if not found.verified:
        raise StepError(
            "promote",
            f"Dify {found.version} in {source} has not passed verification",
            advice=f"rollout deploy {source}, and promote what is proved",
        )
    return Promoted(source, found.version, found.images)


@dataclass(frozen=True, slots=True)
class SameImages:
    """The images here are the ones the source environment runs, not others of the same name."""

    site: Site
    name: str = "settings"
    settle_s: float = 0.0

    def observe(self) -> dict[str, str]:
        """Reference → image id of what is here."""
        if self.site.docker.trouble():
            return {}
        wanted = images(self.site.environment, self.site.release).values()
        found = {reference: self.site.docker.image(reference) for reference in wanted}
        return {reference: image.id for reference, image in found.items() if image}

    def plan(self, actual: dict[str, str]) -> Sequence[Change]:
        source = self.site.promoted
        if source is None:
            return []
        return [
            Change(
                f"{reference} is another image than {source.source} was verified with",
                identity[7:19],
                source.images[reference][7:19],
            )
            for reference, identity in actual.items()
            if source.images.get(reference, identity) != identity
        ]

    def apply(self, change: Change) -> None:
        raise StepError(
            "promote",
            f"{change.what} ({change.before}, not {change.after})",
            advice="the tag was moved since: load the image from a bundle of the source, "
            "or deploy the new one there first",
        )
