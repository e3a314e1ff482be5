"""The double itself: it starts real servers, and leaves nothing behind."""

import subprocess

from pydantic import SecretStr

from clients.postgres import Postgres
from clients.processes import process


def test_an_installed_double_answers(pigsty_double):
    environment = pigsty_double.site().environment
    login = Postgres(
        environment.postgres.host, 5432, "dbuser_meta", SecretStr("DBUser.Meta"), "meta"
    )
    with login.connect() as connection:
        row = connection.execute("SELECT 1").fetchone()
    assert row == (1,)
    assert pigsty_double.pid("nginx")


def test_a_double_leaves_nothing_behind(make_pigsty_double):
    double = make_pigsty_double("v2.7.0")
    double.install()
    pids = [double.pid("postgres"), double.pid("nginx")]
    double.remove()
    assert not any(process(pid) for pid in pids)
    assert not double.folder.exists()
    shown = subprocess.run(("ip", "address", "show", "lo"), capture_output=True, text=True)
    assert double.addresses[0] not in shown.stdout
