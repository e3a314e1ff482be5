"""The `flask` commands a rollout uses."""

import logging
import sys

from standin import schema
from standin.embeddings import move_vectors
from standin.settings import DATABASE, PLUGINS, REDIS, require
from standin.state import database


def main(words: list[str]) -> int:
    """The exit status of `flask <words>`."""
    logging.basicConfig(format="%(levelname)s [%(name)s] %(message)s", level=logging.INFO)
    require(*DATABASE, *REDIS)
    match words:
        case ["upgrade-db"] if PLUGINS:
            return schema.upgrade_with_lock()
        case ["db", "upgrade"]:
            return _upgrade()
        case ["db", "heads"]:
            print(f"{schema.head()} (head)")
        case ["db", "history"]:
            print("\n".join(schema.history()))
        case ["db", "current"]:
            return _current()
        case ["vdb-migrate", "--scope", "knowledge"]:
            move_vectors()
        case _:
            print(f"Error: No such command '{' '.join(words)}'.", file=sys.stderr)
            return 2
    return 0


def _upgrade() -> int:
    try:
        schema.upgrade()
    except schema.UnknownRevision as error:
        logging.getLogger("flask_migrate").error("Error: %s", error)
        return 1
    return 0


def _current() -> int:
    with database() as cursor:
        if found := schema.current(cursor):
            print(f"{found} (head)" if found == schema.head() else found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
