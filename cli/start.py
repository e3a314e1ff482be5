"""The program `rollout`: what ends it before its other modules are loaded is a sentence."""

import sys


def main() -> None:
    """Run the command."""
    _require_text(sys.argv[1:])
    try:
        from cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing was begun\n")
        sys.exit(130)


def _require_text(words: list[str]) -> None:
    """A terminal of another encoding gives words that nothing can keep, send or print."""
    for word in words:
        if any("\ud800" <= character <= "\udfff" for character in word):
            sys.stderr.write(f"error: {word!r} is not UTF-8; expected a terminal that is\n")
            sys.exit(1)
