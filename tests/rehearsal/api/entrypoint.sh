#!/bin/bash
# The modes of Dify's own entrypoint: anything unknown is the API.
set -e
if [ "${MIGRATION_ENABLED:-false}" = "true" ]; then
    echo "Running migrations"
    flask upgrade-db
    if [ "$MODE" = "migration" ]; then
        echo "Migration completed, exiting normally"
        exit 0
    fi
fi
case "$MODE" in
    job) exec flask "$@" ;;
    worker) exec celery -A dify.jobs worker --pool threads --concurrency "${CELERY_WORKER_AMOUNT:-1}" \
        --loglevel "${LOG_LEVEL:-INFO}" --without-gossip --without-mingle -Q "$(python3 -m dify.queues)" ;;
    beat) exec celery -A dify.jobs beat --loglevel "${LOG_LEVEL:-INFO}" --schedule /tmp/celerybeat-schedule ;;
esac
exec gunicorn --bind "${DIFY_BIND_ADDRESS:-0.0.0.0}:${DIFY_PORT:-5001}" --workers "${SERVER_WORKER_AMOUNT:-1}" \
    --worker-class gthread --threads 16 --worker-tmp-dir /dev/shm --timeout "${GUNICORN_TIMEOUT:-200}" dify.web:app
