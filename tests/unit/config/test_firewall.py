"""Which ports of its machine a service that runs anybody's programs may reach."""

import re

from config.desired import firewall
from config.load import load_release


def dports(lines: list[str]) -> set[int]:
    found = re.findall(r"--dports? (\S+)", "\n".join(lines))
    return {int(port) for group in found for port in group.split(",")}


def test_the_plugin_daemon_has_an_address_of_its_own_at_the_end_of_the_network(
    environment, release, changed
):
    assert firewall.addresses(environment, release) == {"plugin_daemon": "172.30.31.254"}
    small = changed(environment, dify={"subnet": "10.1.0.64/27"})
    assert firewall.addresses(small, release) == {"plugin_daemon": "10.1.0.94"}
    assert firewall.addresses(environment, load_release("0.6.11")) == {}


def test_it_reaches_the_state_and_names_and_nothing_else(environment, changed):
    rules = firewall.rules(environment)
    assert dports(rules) == {53, 15432, 16379}
    assert rules[-1].endswith("-j REJECT --reject-with icmp-port-unreachable")
    store = {"endpoint": "https://10.0.0.9:9000"}
    assert 9000 in dports(firewall.rules(changed(environment, storage=store)))
    assert 443 in dports(firewall.rules(changed(environment, storage={"endpoint": "https://s3"})))


def test_each_project_has_a_chain_of_its_own_whose_name_is_short_enough(environment, changed):
    long = changed(environment, dify={"project": "a" * 60})
    assert firewall.chain(long) != firewall.chain(environment)
    assert len(firewall.chain(long)) <= 28
    assert firewall.chain(environment) in firewall.rules(environment)[0]
