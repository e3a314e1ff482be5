"""What stays of a Dify whose containers are removed, for a person to delete."""

from tasks.adoption.origin import Origin
from tasks.adoption.plan import as_read
from tasks.core.site import Site


def left_over(site: Site, origin: Origin) -> list[str]:
    """A sentence each: on its folders, and on its databases where they are in no container."""
    folders = dict.fromkeys([origin.folder, *origin.state(site.release).values()])
    found = [f"its files stay: {', '.join(folders)}"]
    postgres = as_read(site, origin).environment.postgres
    if not origin.has_database:
        found.append(
            f"its databases and its role stay on {postgres.host}:{postgres.port}; as administrator "
            f'there: DROP DATABASE "{postgres.database}"; DROP DATABASE '
            f'"{postgres.plugin_database}"; DROP ROLE "{postgres.user}";'
        )
    return found
