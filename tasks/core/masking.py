"""Text that services wrote, made safe to show."""

from config.rules.spellings import hidden
from tasks.core.site import Site


def masked(text: str, site: Site) -> str:
    """`text` with *** for every secret of the environment, in each of its spellings."""
    return hidden(text, (value.get_secret_value() for value in site.secrets.values()))
