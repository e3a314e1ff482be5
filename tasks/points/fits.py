"""Whether a release can serve what a point holds, asked before anything is stopped."""

from dataclasses import replace

from config.errors import StepError
from config.rules.revisions import Fit
from tasks.core.site import Site
from tasks.points.choice import STEP, Choice, again
from tasks.steps import revisions


class WouldMigrate(StepError):
    """The release would migrate the point's schema up, and nobody said that this is meant."""


def require_fits(site: Site, choice: Choice) -> None:
    """The release knows the point's revision, and moves it up only where that was asked for.

    Raises:
        StepError: it does not know it, or cannot be asked.
        WouldMigrate: it would move it up, and that was not asked for.
    """
    schema = choice.manifest.versions.get("schema", "")
    if "database" not in choice.parts or not schema:
        return
    fit = revisions.fits(site, schema)
    point, made_by = choice.point.id, choice.manifest.release
    of = f"{point} is at revision {schema}" + (f" of Dify {made_by}" if made_by else "")
    as_it_was = replace(choice.options, release=made_by or "VERSION", migrate=False)
    command = again(site, choice, as_it_was)
    wanted = site.release.version
    # After a way back from an upgrade a release may go on with the newer schema: its points fit.
    another = fit is Fit.BESIDE and made_by != wanted
    if another or fit in (Fit.NEWER, Fit.OPEN):
        why = "could not be asked about" if fit is Fit.OPEN else "does not know"
        raise StepError(
            STEP,
            f"{of}, which Dify {wanted} {why}; nothing was stopped",
            advice=f"restore it with the release that made it: {command}",
        )
    if fit is Fit.OLDER and not choice.options.migrate:
        raise WouldMigrate(
            STEP,
            f"{of}: Dify {wanted} would migrate it up, and it would not be as it was; "
            "nothing was stopped",
            advice=f"to have it as it was: {command}; "
            "to migrate it: --migrate (in the UI: migrate)",
        )
