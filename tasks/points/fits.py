"""Whether a release can serve what a point holds, asked before anything is stopped."""

from config.errors import StepError
from config.rules.revisions import Fit
from tasks.core.site import Site
from tasks.points.restore import STEP, Choice
from tasks.steps import revisions


class WouldMigrate(StepError):
    """The release would migrate the point's schema up, and nobody said that this is meant."""


def require_fits(site: Site, choice: Choice, *, migrate: bool) -> None:
    """The release knows the point's revision, and moves it up only where `migrate` says so.

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
    again = f"rollout restore {site.name} {point} --release {made_by or 'VERSION'}"
    wanted = site.release.version
    if fit in (Fit.NEWER, Fit.OPEN):
        why = "does not know" if fit is Fit.NEWER else "could not be asked about"
        raise StepError(
            STEP,
            f"{of}, which Dify {wanted} {why}; nothing was stopped",
            advice=f"restore it with the release that made it: {again}",
        )
    if fit is Fit.OLDER and not migrate:
        raise WouldMigrate(
            STEP,
            f"{of}: Dify {wanted} would migrate it up, and it would not be as it was; "
            "nothing was stopped",
            advice=f"to have it as it was: {again}; to migrate it: --migrate (in the UI: migrate)",
        )
