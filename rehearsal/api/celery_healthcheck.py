"""A light application for `celery -A celery_healthcheck.celery inspect ping`."""

import os

from celery import Celery

celery = Celery(broker=os.environ["CELERY_BROKER_URL"], backend=os.environ["CELERY_BROKER_URL"])
