"""What Dify's own start commands name: `gunicorn app:app`, `celery -A app.celery`."""

from standin.http.application import create
from standin.jobs import celery

app = create()
__all__ = ["app", "celery"]
