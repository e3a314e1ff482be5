"""What a stack needs, from what the engine says of it alone."""

from dataclasses import replace

from clients.docker_objects import Container
from config.desired.colours import Colour
from config.load import load_release
from tasks.steps.stack_actual import Actual

BLUE, GREEN = Colour
SERVICES = {
    name: service
    for name, service in load_release("1.15.0").services.items()
    if name in ("api", "worker", "sandbox")
}
HASHES = {"api": "a", "api-green": "A", "worker": "w", "worker-green": "W", "sandbox": "s"}


def container(name: str, *, colour: Colour = BLUE, made: str = "", state: str = "running",
              created: str = "1") -> Container:  # fmt: skip
    return Container(
        id=f"{name}{colour}", name=name, service=name, image="i", config_hash=made,
        state=state, health="", one_off=False, colour=colour, created=created,
    )  # fmt: skip


def actual(*containers: Container, **other: object) -> Actual:
    found: dict[str, list[Container]] = {}
    for one in containers:
        found.setdefault(one.service, []).append(one)
    return replace(Actual(SERVICES, found, HASHES, {"api": "i"}), **other)


def test_nothing_is_wanted_in_another_colour_where_nothing_runs() -> None:
    assert Actual(SERVICES).wanted() == {"api": BLUE, "worker": BLUE, "sandbox": BLUE}
    written = replace(Actual(SERVICES), written={"api": GREEN, "sandbox": GREEN}).wanted()
    assert written == {"api": GREEN, "worker": BLUE, "sandbox": BLUE}


def test_what_is_outside_a_network_does_not_fit() -> None:
    one = container("api", made="a")
    assert actual(one).fits(one)
    seen = actual(one, networks={"api": frozenset({"dify_default", "dify_ssrf"})})
    assert not seen.fits(one)
    assert seen.outside(one) == ["dify_default", "dify_ssrf"]
    joined = replace(one, networks=frozenset({"dify_default", "dify_ssrf"}))
    assert seen.fits(joined)


def test_beside_what_serves_starts_what_is_made_anew_alone() -> None:
    old = container("api", made="old")
    assert actual(old, container("worker", made="w")).beside() == ["api-green"]
    stopped = container("api", colour=GREEN, made="A", state="exited")
    assert actual(old, stopped).beside() == ["api-green"]
    assert actual(old, container("api", colour=GREEN, made="A")).beside() == []
    assert actual(old, obstacles={"api": "no memory"}).beside() == []
    assert Actual(SERVICES).beside() == []


def test_what_fits_stays_in_its_colour() -> None:
    found = actual(
        container("api", colour=GREEN, made="A"),
        container("worker", made="w"),
        container("sandbox", made="s"),
    )
    assert found.wanted() == {"api": GREEN, "worker": BLUE, "sandbox": BLUE}
    assert found.replaced() == {}
    assert found.orphans() == []
    assert found.stays("sandbox")
    assert not found.stays("nginx")


def test_what_changed_goes_to_the_other_colour_unless_something_is_in_the_way() -> None:
    found = actual(container("api", made="old"), container("sandbox", made="old"))
    assert found.wanted() == {"api": GREEN, "worker": BLUE, "sandbox": BLUE}
    assert list(found.replaced()) == ["api"]
    kept = replace(found, obstacles={"api": "no memory"})
    assert kept.wanted()["api"] == BLUE


def test_another_image_is_a_change_too() -> None:
    found = actual(container("api", made="a"), images={"api": "another"})
    assert found.wanted()["api"] == GREEN


def test_the_routes_say_which_of_two_serves_and_time_does_for_a_worker() -> None:
    both = (
        container("api", made="x", created="1"),
        container("api", colour=GREEN, made="y", created="2"),
        container("worker", made="x", created="1"),
        container("worker", colour=GREEN, made="y", created="2"),
    )
    found = actual(*both, routed={"api": BLUE, "worker": BLUE})
    assert (found.serving("api"), found.serving("worker")) == (BLUE, GREEN)


def test_what_will_be_old_is_known_before_anything_new_has_started() -> None:
    found = actual(container("api", made="old"), container("sandbox", made="old"))
    assert [one.service for one in found.old()] == ["api"]
    assert replace(found, obstacles={"api": "no memory"}).old() == []
    assert replace(found, other="/srv/dify").old() == []
    both = actual(container("api", made="old"), container("api", colour=GREEN, made="A"))
    assert [(one.service, one.colour) for one in both.old()] == [("api", BLUE)]


def test_an_nginx_that_has_to_be_made_is_not_led() -> None:
    services = load_release("1.15.0").services
    hashes = {**HASHES, "nginx": "n"}
    led = actual(container("nginx", made="n"), services=services, hashes=hashes)
    assert led.led
    assert not replace(led, other="/srv/dify").led
    assert not actual(container("nginx", made="x"), services=services, hashes=hashes).led


def test_what_no_service_is_called_is_an_orphan() -> None:
    found = actual(
        container("old", made="x"), container("sandbox", colour=GREEN), container("api", made="a")
    )
    assert [one.service for one in found.orphans()] == ["old", "sandbox"]


def test_what_is_replaced_where_it_is_is_away_meanwhile() -> None:
    found = actual(
        container("api", made="old"),
        container("worker", made="old"),
        container("sandbox", made="old", state="exited"),
    )
    assert found.away() == []
    assert replace(found, obstacles={"api": "no memory"}).away() == ["api"]
