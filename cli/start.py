"""The program `rollout`: Ctrl-C while the rest of it is loaded ends it in a sentence."""

import sys


def main() -> None:
    """Run the command."""
    try:
        from cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing was begun\n")
        sys.exit(130)
