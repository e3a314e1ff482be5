"""What a plan and the end of a run say where the file and what runs differ."""

from tasks.core.running_release import note


def test_nothing_is_said_where_nothing_runs_or_the_file_says_the_same() -> None:
    assert note("prod", running="", wanted="1.15.0", file="1.15.0") == ""
    assert note("prod", running="1.15.0", wanted="1.15.0", file="1.15.0") == ""


def test_a_release_of_the_command_line_is_said_until_the_file_has_it() -> None:
    said = note("prod", running="1.15.0", wanted="1.15.0", file="1.13.2")
    assert said == (
        "Dify 1.15.0 runs in prod, config/environments/prod.toml says 1.13.2: "
        'set dify.release = "1.15.0" there, or the next deploy makes it 1.13.2'
    )


def test_a_plan_says_what_it_would_make_of_what_runs() -> None:
    said = note("prod", running="1.15.0", wanted="1.13.2", file="1.13.2")
    assert said.endswith("says 1.13.2: this would make it 1.13.2")
