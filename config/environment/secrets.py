"""Section [secrets] of an environment."""

from config.environment.forms import SecretSource
from config.environment.model import Strict


class Secrets(Strict):
    """Where secrets are that are not kept in Prefect blocks of their own."""

    sources: dict[str, SecretSource]
