"""Errors a user can act on: they are printed as they are, without a traceback."""

# Of ten thousand problems nobody reads more: mostly one mistake made all of them.
SHOWN = 10


class RolloutError(Exception):
    """Something the operator can mend; `str()` is the whole message, free of secrets."""


class ConfigError(RolloutError):
    """Bad input in files or environment variables; one line per problem.

    Each line reads `file: path.to.key: what is wrong; what is expected`.
    """

    def __init__(self, problems: list[str]) -> None:
        shown, more = problems[:SHOWN], len(problems) - SHOWN
        super().__init__("\n".join([*shown, *([f"… and {more} more"] if more > 0 else [])]))
        self.problems = problems


class NotKnown(RolloutError):
    """What is there could not be asked: it is neither there nor absent, and nothing is changed."""


class Unfit(NotKnown):
    """Who answered cannot be Dify's: `advice` says what to do instead."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


class Passing:
    """Of an error: its trouble passes by itself, so that trying again may help."""


class Refusal:
    """Of an error: somebody was asked and said no, so that trying again changes nothing."""


class Unreachable(NotKnown, Passing):
    """No answer, or none yet: asking again may help."""


class StepError(RolloutError):
    """A step that stopped: which one, why, what was tried, what to do about it.

    `passes`: by itself, so that trying again may help.
    """

    def __init__(
        self, step: str, cause: str, *, tried: str = "", advice: str = "", passes: bool = False
    ) -> None:
        parts = [f"{step}: {cause}"]
        if tried:
            parts.append(f"  tried: {tried}")
        if advice:
            parts.append(f"  do: {advice}")
        super().__init__("\n".join(parts))
        self.step = step
        self.cause = cause
        self.tried = tried
        self.advice = advice
        self.passes = passes
