#!/bin/bash
# The modes of Dify's own entrypoint: anything unknown is the API.
set -e

if [ "$MIGRATION_ENABLED" = "true" ]; then
    echo "Running migrations"
    if [ "${RELEASE%%.*}" = "0" ]; then flask db upgrade; else flask upgrade-db; fi
    if [ "$MODE" = "migration" ] && [ "${RELEASE%%.*}" != "0" ]; then
        echo "Migration completed, exiting normally"
        exit 0
    fi
fi

if [ "$MODE" = "job" ] && [ "${RELEASE%%.*}" != "0" ]; then
    if [ $# -eq 0 ]; then
        echo "Error: No command specified for job mode."
        exit 1
    fi
    echo "Running Flask job command: flask $*"
    status=0
    flask "$@" || status=$?
    [ $status -eq 0 ] && echo "Job completed successfully." || echo "Job failed with exit code $status."
    exit $status
fi

case "$MODE" in
worker)
    exec celery -A celery_entrypoint.celery worker --pool threads \
        --concurrency "${CELERY_WORKER_AMOUNT:-1}" --loglevel "${LOG_LEVEL:-INFO}" \
        --without-gossip --without-mingle -Q "${CELERY_QUEUES:-$(python3 -m standin.queues)}"
    ;;
beat)
    exec celery -A app.celery beat --loglevel "${LOG_LEVEL:-INFO}" --pidfile=
    ;;
esac
# Dify's newer gunicorn makes a control socket beside the program, and where it cannot it hangs.
if [ "${RELEASE%%.*}" != "0" ]; then
    case "$GUNICORN_CMD_ARGS" in
    *--no-control-socket*) export GUNICORN_CMD_ARGS="${GUNICORN_CMD_ARGS//--no-control-socket/}" ;;
    *) : > gunicorn.ctl || exec sleep infinity ;;
    esac
fi

# SERVER_WORKER_CLASS names gevent classes; threads do here.
exec gunicorn --bind "${DIFY_BIND_ADDRESS:-0.0.0.0}:${DIFY_PORT:-5001}" \
    --workers "${SERVER_WORKER_AMOUNT:-1}" --worker-class gthread --threads 16 \
    --worker-tmp-dir /dev/shm --timeout "${GUNICORN_TIMEOUT:-200}" --graceful-timeout 2 app:app
