"""What Pigsty 2.7 does otherwise than 4.5: read in its sources, played by the double only."""

import re
import subprocess

import pytest

from tests.pigsty.double.build import build


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    double = build(tmp_path_factory.mktemp("old") / "pigsty", "v2.7.0")
    try:
        double.install()
        yield double
    finally:
        double.remove()


@pytest.fixture(autouse=True)
def same_inventory(old):
    path = old.tree / "pigsty.yml"
    before = path.read_bytes()
    yield
    path.write_bytes(before)


def add(double, variable):
    path = double.tree / "pigsty.yml"
    path.write_text(path.read_text().replace("    region:", f"    {variable}\n    region:"))


def test_it_installs_by_another_name_and_takes_other_options(old):
    assert not (old.tree / "deploy.yml").exists()
    assert old.run("./configure", "-i", "10.0.0.5", "-n", "-m", "demo").returncode == 0
    assert old.run("./configure", "-i", "10.0.0.5", "-n", "-c", "meta").returncode == 1


def test_a_cluster_made_again_is_purged_unless_guarded(old):
    psql = str(old.folder / "pgsql/x/pginstall/bin/psql")
    words = (psql, "-h", str(old.path("/pg/run")), "-U", "postgres", "-AXtq", "-c")
    subprocess.run((*words, "CREATE TABLE kept (n int)"), check=True)
    before = (old.tree / "pigsty.yml").read_bytes()
    add(old, "pg_safeguard: true")
    guarded = old.run("bin/pgsql-add", "pg-meta")
    assert guarded.returncode == 2 and "pg_safeguard" in guarded.stdout
    (old.tree / "pigsty.yml").write_bytes(before)
    assert old.run("bin/pgsql-add", "pg-meta").returncode == 0
    asked = subprocess.run((*words, "SELECT * FROM kept"), capture_output=True, text=True)
    assert "does not exist" in asked.stderr


def test_nginx_is_only_ever_restarted(old):
    before = old.pid("nginx")
    assert old.run("./infra.yml", "-t", "nginx_config,nginx_reload").returncode == 0
    assert old.pid("nginx") == before
    assert not re.search(r"TASK \[.*reload nginx", old.run("./infra.yml", "-t", "nginx").stdout)
    assert old.pid("nginx") != before


def test_daemon_json_has_neither_proxy_nor_place(old):
    add(old, "docker_enabled: true")
    assert old.run("./docker.yml", "-l", old.addresses[0]).returncode == 0
    daemon = old.path("/etc/docker/daemon.json").read_text()
    assert "proxies" not in daemon and "data-root" not in daemon
