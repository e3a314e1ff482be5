"""The entry of another Dify is a comment while its domain is this environment's."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.desired.inventory.handover import put_back, removed, set_aside
from config.desired.inventory.merge import merge
from config.errors import ConfigError
from tests.unit.config.inventory.test_conflicts import GOOD

DOMAIN, OWN = "dify.pigsty", "dify-own"
# As Pigsty's app/dify.yml has it, and as the recipe has it in one line.
LINES = """\
      ai:                              # nginx server config for dify
        domain: dify.pigsty            # REPLACE WITH YOUR OWN DOMAIN!
        endpoint: "10.10.10.10:5001"   # dify service endpoint: IP:PORT
        websocket: true                # add websocket support

      # what follows is of others
"""
LINE = '      ai: { domain: dify.pigsty, endpoint: "127.0.0.1:8001", websocket: true } # Dify\n'
FURTHER = '      ai: { domain: a.pigsty, domains: [ dify.pigsty ], endpoint: "127.0.0.1:8001" }\n'
OURS = f"      {OWN}: {{ domain: dify.pigsty, endpoint: '10.10.10.10:80' }}\n"
HOME = "      home: { domain: i.pigsty }\n"


@pytest.mark.parametrize("entry", [LINES, LINE, FURTHER, LINE.replace("\n", "\r\n")])
@pytest.mark.parametrize("first", [True, False])
def test_it_comes_back_as_it_was_and_ours_is_gone(entry: str, first: bool) -> None:
    text = GOOD.replace(HOME, entry + HOME if first else HOME + entry)
    aside = set_aside(text, DOMAIN, "staging", OWN)
    assert "# set aside, staging has its domain:       ai:" in aside
    assert set_aside(aside, DOMAIN, "staging", OWN) == aside
    both = aside.replace(HOME, HOME + OURS)
    assert put_back(both, DOMAIN, "staging", OWN) == text
    assert put_back(text, DOMAIN, "staging", OWN) == text
    assert put_back(aside, DOMAIN, "prod", OWN) == aside
    kept = removed(both, "staging")
    assert "ai:" not in kept and OURS in kept
    assert ("what follows" in kept) == (entry == LINES)


def test_ours_stays_where_nothing_was_set_aside() -> None:
    text = GOOD.replace(HOME, HOME + OURS)
    assert put_back(text, DOMAIN, "staging", OWN) == text
    assert put_back(text, DOMAIN, "staging", OWN, by_file=True) == GOOD
    assert put_back(GOOD, DOMAIN, "staging", OWN, by_file=True) == GOOD


@pytest.mark.parametrize(
    "portal",
    [
        "    infra_portal: { ai: { domain: dify.pigsty }, home: { domain: i.pigsty } }\n",
        f"    infra_portal:\n{HOME}      ai: &it {{ domain: dify.pigsty }}\n    other: *it\n",
    ],
)
def test_one_that_cannot_be_told_apart_is_refused(portal: str) -> None:
    text = GOOD.replace("    infra_portal:\n" + HOME, portal)
    with pytest.raises(ConfigError, match="ai cannot be told apart from what stands around"):
        set_aside(text, DOMAIN, "staging", OWN)


def test_ours_waits_until_the_other_is_set_aside(ours) -> None:
    text = GOOD.replace(HOME, HOME + LINE)
    waits = merge(text, replace(ours(dify={"project": OWN}), takes_domain=True))
    assert LINE in waits and OWN not in waits.partition("infra_portal")[2]
    has = merge(set_aside(waits, DOMAIN, "recipe", OWN), ours(dify={"project": OWN}))
    assert OWN in has.partition("infra_portal")[2]
    assert put_back(has, DOMAIN, "recipe", OWN) == waits


neighbours = st.lists(
    st.tuples(
        st.sampled_from([DOMAIN, "crm.pigsty", "wiki.pigsty", "x.dify.pigsty"]),
        st.sampled_from(["", "   # of somebody", " # dify.pigsty"]),
        st.booleans(),
    ),
    max_size=6,
)


def written(number: int, domain: str, comment: str, on_lines: bool) -> str:
    if on_lines:
        return (
            f"      n{number}:{comment}\n        domain: {domain}\n        path: '/www/{number}'\n"
        )
    return f"      n{number}: {{ domain: {domain}, path: '/www/{number}' }}{comment}\n"


@settings(max_examples=100, deadline=None)
@given(neighbours)
def test_of_a_hundred_random_portals_only_who_has_the_domain_is_set_aside(
    found: list[tuple[str, str, bool]],
) -> None:
    entries = [(one[0], written(number, *one)) for number, one in enumerate(found)]
    text = GOOD.replace(HOME, "".join(entry for _, entry in entries) + HOME)
    aside = set_aside(text, DOMAIN, "staging", OWN)
    left = [line for line in aside.splitlines() if not line.startswith("# set aside")]
    kept = GOOD.replace(HOME, "".join(e for domain, e in entries if domain != DOMAIN) + HOME)
    assert left == kept.splitlines() and removed(aside, "staging") == kept
    assert put_back(aside.replace(HOME, HOME + OURS), DOMAIN, "staging", OWN) == (
        text if aside != text else text.replace(HOME, HOME + OURS)
    )
