"""What runs here against what the environment's file says: a deploy can have had --release."""

from config.load import load_environment
from tasks.core import release_file
from tasks.core.site import Site


def notes(site: Site) -> list[str]:
    """A sentence where the release that runs is not the file's; for plans and the end of a run."""
    running = release_file.read(site.environment, site.node).version
    said = note(
        site.name,
        running=running,
        wanted=site.release.version,
        file=load_environment(site.name).dify.release,
    )
    return [said] if said else []


def note(name: str, *, running: str, wanted: str, file: str) -> str:
    """`wanted`: the release of this run; empty where nothing runs or the file says the same."""
    if running in ("", file):
        return ""
    says = f"config/environments/{name}.toml says {file}"
    if wanted != running:
        return f"Dify {running} runs in {name}, {says}: this would make it {wanted}"
    return (
        f'Dify {running} runs in {name}, {says}: set dify.release = "{running}" there, or the next '
        f"deploy makes it {file}"
    )
