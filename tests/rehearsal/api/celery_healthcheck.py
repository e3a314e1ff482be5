"""A light Celery app for `celery -A celery_healthcheck.celery inspect ping`."""

import os

from celery import Celery

celery = Celery(broker=os.environ["CELERY_BROKER_URL"])
