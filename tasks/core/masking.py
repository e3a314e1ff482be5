"""Text that services wrote, made safe to show."""

from tasks.core.site import Site


def masked(text: str, site: Site) -> str:
    """`text` with every secret of the environment replaced by ***."""
    values = [value.get_secret_value() for value in site.secrets.values()]
    for value in sorted((v for v in values if v), key=len, reverse=True):
        text = text.replace(value, "***")
    return text
