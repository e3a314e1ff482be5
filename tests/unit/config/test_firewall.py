"""Which ports of its machine a service that runs anybody's programs may reach."""

import re
import shutil
import subprocess

import pytest

from config.desired import firewall
from config.load import load_release


def dports(lines: list[str]) -> set[int]:
    found = re.findall(r"--dports? (\S+)", "\n".join(lines))
    return {int(port) for group in found for port in group.split(",")}


def test_the_plugin_daemon_has_an_address_of_its_own_at_the_end_of_the_network(
    environment, release, changed
):
    assert firewall.addresses(environment, release) == {"plugin_daemon": "172.30.31.126"}
    small = changed(environment, dify={"subnet": "10.1.0.128/25"})
    assert firewall.addresses(small, release) == {"plugin_daemon": "10.1.0.190"}
    assert firewall.addresses(environment, load_release("0.6.11")) == {}


def test_it_reaches_the_state_and_names_and_nothing_else(environment, changed):
    rules = firewall.rules(environment)
    assert dports(rules) == {53, 15432, 16379}
    assert rules[-1].endswith("-j REJECT --reject-with icmp-port-unreachable")
    store = {"endpoint": "https://10.0.0.9:9000"}
    assert 9000 in dports(firewall.rules(changed(environment, storage=store)))
    assert 443 in dports(firewall.rules(changed(environment, storage={"endpoint": "https://s3"})))


def test_a_unit_writes_the_very_rules_when_the_machine_starts(environment, release):
    text = firewall.unit(environment, release, "/usr/sbin/iptables")
    given = re.findall(r"^StandardInputText=(.*)$", text, re.MULTILINE)
    chain, [jump] = firewall.chain(environment), firewall.jumps(environment, release)
    assert given == [
        "*filter",
        f":{chain} - [0:0]",
        *firewall.rules(environment),
        jump.replace("-A INPUT", "-I INPUT 1"),
        "COMMIT",
    ]
    assert f"ExecStartPre=-/usr/sbin/iptables -w {jump.replace('-A', '-D', 1)}\n" in text
    assert "ExecStart=/usr/sbin/iptables-restore -w --noflush\n" in text
    assert "Before=docker.service\n" in text
    assert firewall.unit(environment, load_release("0.6.11"), "/usr/sbin/iptables") == ""


def test_systemd_takes_the_unit(environment, release, tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    unit = tmp_path / firewall.unit_name(environment)
    unit.write_text(firewall.unit(environment, release, "/bin/true"))
    program = tmp_path / "true-restore"
    program.symlink_to("/bin/true")
    unit.write_text(firewall.unit(environment, release, str(tmp_path / "true")))
    (tmp_path / "true").symlink_to("/bin/true")
    words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_project_has_a_chain_of_its_own_whose_name_is_short_enough(environment, changed):
    long = changed(environment, dify={"project": "a" * 60})
    assert firewall.chain(long) != firewall.chain(environment)
    assert len(firewall.chain(long)) <= 28
    assert firewall.chain(environment) in firewall.rules(environment)[0]
