"""What the sandbox's own Prefect server is opened with. It cannot lie in a block of that server."""

import secrets as random
from pathlib import Path

from pydantic import SecretStr

from clients.files import File
from config.environment import Environment
from tasks.core.site import Site

NAME = "admin"


def prefect_home(environment: Environment) -> Path:
    return environment.sandbox.home / "prefect"


def login_file(environment: Environment) -> Path:
    """NAME:PASSWORD on one line, as Prefect's UI and PREFECT_API_AUTH_STRING want it."""
    return prefect_home(environment) / "login"


def database_password(site: Site) -> SecretStr:
    """The password of the server's own role, generated once."""
    return _kept(site, prefect_home(site.environment) / "database-password", "")


def api_login(site: Site) -> SecretStr:
    """Name and password of everybody who calls the server's API, generated once."""
    return _kept(site, login_file(site.environment), f"{NAME}:")


def known_login(environment: Environment) -> SecretStr | None:
    """The server's login; None if there is none yet or this user may not read it."""
    try:
        return SecretStr(login_file(environment).read_text().strip())
    except OSError:
        return None


def _kept(site: Site, path: Path, start: str) -> SecretStr:
    text = site.node.read(path)
    if text is None:
        text = f"{start}{random.token_urlsafe(24)}\n".encode()
        site.node.write(File(path, text, mode=0o600))
    return SecretStr(text.decode().strip())
