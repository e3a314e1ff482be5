"""A PostgreSQL that lets its machine in, and not the network of the containers."""

from collections.abc import Generator
from contextlib import contextmanager

from tasks.core.site import Site
from tasks.platforms.sandbox.postgres_layout import layout
from tasks.steps.pgsql import admin


@contextmanager
def kept_out(site: Site) -> Generator[None]:
    """Rules without those for dify.subnet, meanwhile."""
    rules = layout(site).data / "pg_hba.conf"
    before = rules.read_text()

    def load(text: str) -> None:
        rules.write_text(text)
        with admin(site) as connection:
            connection.execute("SELECT pg_reload_conf()")

    subnet = site.environment.dify.subnet
    load("".join(f"{line}\n" for line in before.splitlines() if subnet not in line))
    try:
        yield
    finally:
        load(before)
