"""The `flask` commands a rollout uses."""

import sys

from dify import schema


def main(words: list[str]) -> int:
    match words:
        case ["upgrade-db"]:
            return schema.upgrade_with_lock()
        case ["db", "upgrade"]:
            return schema.upgrade()
        case ["db", "heads"]:
            print(f"{schema.HEAD} (head)")
            return 0
        case ["db", "current"]:
            found = schema.current()
            print(f"{found} (head)" if found == schema.HEAD else found or "")
            return 0
    print(f"Error: No such command {' '.join(words)!r}.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
