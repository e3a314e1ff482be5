"""What Dify's own worker command names: `celery -A celery_entrypoint.celery`."""

from standin.jobs import celery

__all__ = ["celery"]
