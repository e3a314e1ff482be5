"""What the environment says, read as Dify reads it."""

import os

RELEASE = os.environ.get("RELEASE", "1.15.0")
MODERN = not RELEASE.startswith("0.")
SECRET_KEY = os.environ.get("SECRET_KEY", "")
INIT_PASSWORD = os.environ.get("INIT_PASSWORD", "")
SECURE = all(
    os.environ.get(key, "").startswith("https") for key in ("CONSOLE_WEB_URL", "CONSOLE_API_URL")
)
UPLOAD_LIMIT = int(os.environ.get("UPLOAD_FILE_SIZE_LIMIT") or 15) * 1024 * 1024
EVENTS_QUEUE = "workflow_based_app_execution" if MODERN else "generation"
INDEX_QUEUE = "dataset"


def need(key: str) -> str:
    """The variable's value. Raises RuntimeError, naming it, if it is missing."""
    value = os.environ.get(key)
    if not value:
        raise RuntimeError(f"environment variable {key} is not set")
    return value
