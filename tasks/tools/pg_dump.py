"""pg_dump, pg_restore and psql: argv out, parsed facts in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.command import Command, Secret
from clients.postgres import Postgres

DAY_S = 86_400
# Dify has nothing elsewhere. A server's own template may: Pigsty's has a schema that only its
# monitoring may read, and that every new database has already.
SCHEMA = "--schema=public"
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
# Where distributions and Pigsty put the programs of one major version.
FOLDERS = (Path("/usr/pgsql/bin"), *(Path(f"/usr/pgsql-{n}/bin") for n in range(13, 20)),
           *(Path(f"/usr/lib/postgresql/{n}/bin") for n in range(13, 20)))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clients:
    """The client programs of one folder; `authority`: PEM file of whom alone they trust."""

    folder: Path
    authority: Path | None = None

    def version(self) -> Command:
        return Command((str(self.folder / "pg_dump"), "--version"), changes=False)

    def dump(self, database: Postgres, snapshot: str) -> Command:
        """The database as an archive of pg_restore's on stdout, as an exported snapshot shows it.

        Not compressed: restic compresses, and finds again what did not change.
        """
        return self._command(
            "pg_dump", database, "--format=custom", "--compress=0", "--no-owner", "--no-acl",
            SCHEMA, f"--snapshot={snapshot}", changes=False,
        )  # fmt: skip

    def contents(self) -> Command:
        """The table of contents of the archive that comes in."""
        return Command((str(self.folder / "pg_restore"), "--list"), changes=False)

    def restore(self, database: Postgres) -> Command:
        """Fill the empty database from the archive that comes in, all or nothing.

        Extensions, which only an administrator may add, are there before; so are their comments.
        """
        return self._command(
            "pg_restore", database, "--format=custom", "--single-transaction", "--exit-on-error",
            "--no-owner", "--no-acl", "--no-comments", SCHEMA, f"--dbname={database.database}",
        )  # fmt: skip

    def script(self) -> Command:
        """The archive that comes in as the SQL that fills an empty database."""
        words = ("--format=custom", "--file=-", "--no-owner", "--no-acl", "--no-comments", SCHEMA)
        return Command((str(self.folder / "pg_restore"), *words), tied=True, timeout_s=DAY_S)

    def replace(self, database: Postgres, extensions: Sequence[str]) -> Command:
        """Put the SQL that comes in for all that the role owns in the database, or change nothing.

        Without an administrator this is how a database is exchanged: in one transaction. Of the
        extensions the role may own some.
        """
        made = (f'--command=CREATE EXTENSION IF NOT EXISTS "{name}"' for name in extensions)
        return self._command(
            "psql", database, "--no-psqlrc", "--quiet", "--output=/dev/null",
            "--single-transaction", "--set=ON_ERROR_STOP=1",
            "--command=DROP OWNED BY CURRENT_USER", *made, "--file=-",
        )  # fmt: skip

    def _command(
        self, program: str, database: Postgres, *words: str, changes: bool = True
    ) -> Command:
        trusted = (("PGSSLROOTCERT", str(self.authority)),) if self.authority else ()
        target = () if program == "pg_restore" else (database.database,)
        return Command(
            (str(self.folder / program), f"--host={database.host}", f"--port={database.port}",
             f"--username={database.user}", "--no-password", *words, *target),
            env=(("PGPASSWORD", Secret(database.password.get_secret_value())),
                 ("PGSSLMODE", database.sslmode), ("PGAPPNAME", "dify-rollout"), *trusted),
            tied=True,
            timeout_s=DAY_S,
            changes=changes,
        )  # fmt: skip


def parse_version(text: str) -> int:
    """Major version of `pg_dump --version`, 0 if it says none."""
    found = _VERSION.search(text)
    return int(found[1]) if found else 0
