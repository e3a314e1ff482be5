"""Which lines of a log are shown when an upgrade fails."""

from tasks.upgrades.last_words import LINES, WIDTH, of_trouble

LOG = """
2026-11-28 01:00:00,000 INFO [server.py:88] Listening at: http://0.0.0.0:5001
2026-11-28 01:00:01,000 ERROR [app.py:12] Exception on /console/api/apps [GET]
Traceback (most recent call last):
  File "/app/api/app.py", line 3, in get
    raise KeyError("x")
sqlalchemy.exc.ProgrammingError: column "x" does not exist
{"level":"error","msg":"no such plugin"}
panic: runtime error: index out of range
2026-11-28 01:00:02,000 INFO nothing of an errors_total or a terror
"""


def test_lines_of_trouble_are_found_and_no_others() -> None:
    assert of_trouble(LOG) == [
        "2026-11-28 01:00:01,000 ERROR [app.py:12] Exception on /console/api/apps [GET]",
        'sqlalchemy.exc.ProgrammingError: column "x" does not exist',
        '{"level":"error","msg":"no such plugin"}',
        "panic: runtime error: index out of range",
    ]


def test_the_last_ones_are_kept_and_shortened() -> None:
    log = "\n".join(f"ERROR {n} {'x' * WIDTH}" for n in range(LINES + 3))
    found = of_trouble(log)
    assert [line.split()[1] for line in found] == [str(n) for n in range(3, LINES + 3)]
    assert {len(line) for line in found} == {WIDTH}
