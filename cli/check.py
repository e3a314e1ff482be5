"""`rollout check`: whether everything an environment connects to lets it in."""

from cli import output, runs


def check(environment: str, *, as_json: bool) -> int:
    """Print what each connection answered; the exit status."""
    report = runs.check(environment)

    from flows.check import rows

    found = rows(report)
    if as_json:
        seconds = round(report.seconds, 2)
        output.json_line({"environment": environment, "connections": found, "seconds": seconds})
    else:
        output.table(found, f"What {environment} connects to")
        output.say(f"{len(found)} connections, {len(report.failed)} fail ({report.seconds:.1f} s)")
    return 1 if report.failed else 0
