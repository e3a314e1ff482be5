"""How long an old web stays for the files of pages that people have open."""

from dataclasses import replace

from config.load import load_release
from tasks.steps.kept import over, stays
from tests.unit.tasks.steps.test_stack_actual import GREEN, container

SERVICES = load_release("1.15.0").services
AT = 1_790_000_000.0  # 2026-09-21T14:13:20Z
MADE = "2026-09-21T14:13:20.123456789Z"


def test_an_old_web_of_another_image_stays() -> None:
    web = container("web")
    assert stays(SERVICES["web"], web, "another")
    assert not stays(SERVICES["web"], web, web.image)
    assert not stays(SERVICES["web"], web, None)
    assert not stays(SERVICES["web"], replace(web, state="exited"), "another")
    assert not stays(SERVICES["api"], container("api"), "another")


def test_it_has_stayed_long_enough_an_hour_after_the_new_one_was_made() -> None:
    kept = replace(container("web"), name="dify-web-kept")
    new = container("web", colour=GREEN, created=MADE)
    assert over([kept, new], AT + 3600) == ()
    assert over([kept, new], AT + 3602) == (kept,)
    assert over([kept], AT) == (kept,)
    assert over([new], AT + 9999) == ()
