"""The schema as revisions in one transaction, with Dify's lock and Dify's exit codes."""

import os
import time

from dify.settings import MODERN
from dify.state import cache, database

FIRST = """
CREATE EXTENSION IF NOT EXISTS "uuid-ossp";
CREATE TABLE dify_setups (version text PRIMARY KEY, setup_at timestamptz DEFAULT now());
CREATE TABLE accounts (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), email text UNIQUE NOT NULL,
    name text NOT NULL, password text NOT NULL, interface_language text);
CREATE TABLE tenants (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), name text, encrypt_public_key text);
CREATE TABLE upload_files (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), tenant_id uuid, key text,
    name text, size bigint, extension text, mime_type text, hash text, created_at timestamptz DEFAULT now());
CREATE TABLE datasets (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), tenant_id uuid, name text,
    indexing_technique text);
CREATE TABLE documents (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), dataset_id uuid, batch text,
    name text, upload_file_id uuid, indexing_status text DEFAULT 'waiting', error text);
CREATE TABLE document_segments (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), dataset_id uuid,
    document_id uuid DEFAULT uuid_nil(), position int, content text, status text);
"""
SECOND = """
CREATE TABLE dataset_keyword_tables (dataset_id uuid PRIMARY KEY, keyword_table jsonb);
CREATE TABLE apps (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), tenant_id uuid, name text, mode text,
    enable_api boolean DEFAULT true);
CREATE TABLE workflows (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), app_id uuid, version text,
    graph jsonb, features jsonb);
CREATE TABLE api_tokens (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), app_id uuid, token text UNIQUE);
CREATE TABLE workflow_runs (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), app_id uuid, status text,
    inputs jsonb, outputs jsonb, created_at timestamptz DEFAULT now());
"""
THIRD = "CREATE INDEX workflow_runs_app_idx ON workflow_runs (app_id, created_at);"
REVISIONS = [("d57ba9ebb251", FIRST), ("6b5f9f8b1a2c", SECOND)]
if MODERN:
    REVISIONS.append(("c3e9b6a2d1f4", THIRD))
HEAD = REVISIONS[-1][0]
LOCK, LOCK_S = "db_upgrade_lock", 60


def current() -> str | None:
    with database() as cursor:
        cursor.execute("SELECT to_regclass('alembic_version') IS NOT NULL AS there")
        if not cursor.fetchone()["there"]:
            return None
        cursor.execute("SELECT version_num FROM alembic_version")
        row = cursor.fetchone()
        return row["version_num"] if row else None


def upgrade() -> int:
    """Bring the schema to the newest revision; the exit status."""
    found = current()
    known = [revision for revision, _ in REVISIONS]
    if found is not None and found not in known:
        print(f"ERROR: Can't locate revision identified by '{found}'")
        return 1
    start = known.index(found) + 1 if found else 0
    with database() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32) PRIMARY KEY)"
        )
        for revision, statements in REVISIONS[start:]:
            print(f"Running upgrade -> {revision}", flush=True)
            cursor.execute(statements)
            cursor.execute("DELETE FROM alembic_version")
            cursor.execute("INSERT INTO alembic_version VALUES (%s)", (revision,))
            time.sleep(float(os.environ.get("REHEARSAL_MIGRATION_S", "0")))
    return 0


def upgrade_with_lock() -> int:
    """As `upgrade`; status 0 without having done anything while another holds the lock."""
    server = cache()
    if not server.set(LOCK, "1", nx=True, ex=LOCK_S):
        print("Database migration skipped")
        return 0
    try:
        print("Starting database migration.")
        status = upgrade()
        print("Database migration successful!" if status == 0 else "Database migration failed")
        return status
    finally:
        server.delete(LOCK)
