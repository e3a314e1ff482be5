"""What the environment says, read as the release reads it."""

import os
import re

RELEASE = os.environ.get("RELEASE") or "1.15.0"
VERSION = tuple(int(part) for part in re.findall(r"\d+", RELEASE)[:3])

COOKIES = VERSION >= (1, 10)
BASE64_PASSWORD = VERSION >= (1, 11)
PLUGINS = VERSION >= (1, 0)
STREAMS_FROM_WORKER = VERSION >= (1, 13)
SECRET_KEY_IS_GENERATED = VERSION >= (1, 14)
FAILED_MIGRATION_IS_SEEN = VERSION >= (1, 13)

INDEX_QUEUE = "priority_dataset" if VERSION >= (1, 10) else "dataset"
DELETE_QUEUE = "app_deletion" if VERSION >= (1, 0) else "dataset"
BEAT_QUEUE = "schedule_poller" if VERSION >= (1, 10) else "dataset"
STREAM_QUEUE = "workflow_based_app_execution"

DATABASE = ("DB_HOST", "DB_PORT", "DB_USERNAME", "DB_PASSWORD", "DB_DATABASE")
REDIS = ("REDIS_HOST", "REDIS_PORT")
BROKER = ("CELERY_BROKER_URL",)


def text(key: str, default: str = "") -> str:
    """The variable's value; set but empty counts as not set."""
    return os.environ.get(key) or default


class ValidationError(Exception):
    """A setting is missing. Not a SystemExit: gunicorn would start the worker again, forever."""


def require(*keys: str) -> None:
    """Raises ValidationError, naming them, if any of the variables has no value."""
    if missing := [key for key in keys if not os.environ.get(key)]:
        raise ValidationError(f"these variables are not set: {', '.join(missing)}")


def https() -> bool:
    """Whether cookies are for https only: both addresses of the console say so."""
    return all(text(key).startswith("https") for key in ("CONSOLE_WEB_URL", "CONSOLE_API_URL"))
