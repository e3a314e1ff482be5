"""The revisions of the schema, oldest first. Their names are the rehearsal's own, not Dify's."""

from dataclasses import dataclass

from standin.settings import VERSION

# PostgreSQL 18 has two functions of this name itself: until 1.16 Dify named its own without arguments.
UUIDV7 = "public.uuidv7()" if VERSION >= (1, 16) else "uuidv7"


@dataclass(frozen=True)
class Revision:
    name: str
    title: str
    since: tuple[int, ...]
    statements: str


REVISIONS = [
    Revision("5eed00000001", "accounts and files", (0,), """
        CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
        CREATE EXTENSION IF NOT EXISTS "uuid-ossp";
        CREATE TABLE dify_setups (
            version varchar(255) PRIMARY KEY, setup_at timestamp NOT NULL DEFAULT now());
        CREATE TABLE accounts (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), email text UNIQUE NOT NULL,
            name text NOT NULL, password text NOT NULL, interface_language text,
            created_at timestamp NOT NULL DEFAULT now());
        CREATE TABLE tenants (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), name text NOT NULL,
            encrypt_public_key text, created_at timestamp NOT NULL DEFAULT now());
        CREATE TABLE tenant_account_joins (
            tenant_id uuid NOT NULL REFERENCES tenants, account_id uuid NOT NULL REFERENCES accounts,
            role text NOT NULL DEFAULT 'owner', PRIMARY KEY (tenant_id, account_id));
        CREATE TABLE upload_files (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), tenant_id uuid NOT NULL,
            key text NOT NULL, name text NOT NULL, size bigint NOT NULL, extension text,
            mime_type text, hash text, created_by uuid, created_at timestamp NOT NULL DEFAULT now());
    """),
    Revision("5eed00000002", "datasets", (0,), """
        CREATE TABLE datasets (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), tenant_id uuid NOT NULL,
            name text NOT NULL, indexing_technique text, index_struct jsonb, retrieval_model jsonb,
            embedding_model text, embedding_model_provider text,
            created_at timestamp NOT NULL DEFAULT now());
        CREATE TABLE documents (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
            dataset_id uuid NOT NULL DEFAULT uuid_nil(), position int NOT NULL, batch text NOT NULL,
            name text NOT NULL, upload_file_id uuid NOT NULL, process_rule jsonb NOT NULL,
            indexing_status text NOT NULL DEFAULT 'waiting', error text, word_count int,
            created_at timestamp NOT NULL DEFAULT now(), processing_started_at timestamp,
            completed_at timestamp, stopped_at timestamp, enabled boolean NOT NULL DEFAULT true,
            archived boolean NOT NULL DEFAULT false, doc_form text NOT NULL DEFAULT 'text_model');
        CREATE TABLE document_segments (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), dataset_id uuid NOT NULL,
            document_id uuid NOT NULL, position int NOT NULL, content text NOT NULL,
            keywords jsonb NOT NULL, status text NOT NULL DEFAULT 'waiting',
            enabled boolean NOT NULL DEFAULT true,
            created_at timestamp NOT NULL DEFAULT now(), completed_at timestamp);
        CREATE INDEX document_segment_dataset_idx ON document_segments (dataset_id);
        CREATE TABLE dataset_keyword_tables (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), dataset_id uuid UNIQUE NOT NULL,
            keyword_table text NOT NULL);
        CREATE TABLE embeddings (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), model_name text NOT NULL,
            provider_name text NOT NULL, hash varchar(64) NOT NULL, embedding bytea NOT NULL,
            created_at timestamp NOT NULL DEFAULT now(),
            UNIQUE (model_name, hash, provider_name));
    """),
    Revision("5eed00000611", "apps and workflows", (0,), """
        CREATE TABLE apps (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), tenant_id uuid NOT NULL,
            name text NOT NULL, mode text NOT NULL, description text, workflow_id uuid,
            enable_api boolean NOT NULL DEFAULT true, created_at timestamp NOT NULL DEFAULT now());
        CREATE TABLE workflows (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), app_id uuid NOT NULL,
            version text NOT NULL, graph text NOT NULL, features text NOT NULL,
            created_at timestamp NOT NULL DEFAULT now());
        CREATE TABLE workflow_runs (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), app_id uuid NOT NULL,
            workflow_id uuid NOT NULL, status text NOT NULL, inputs text, outputs text, error text,
            elapsed_time float NOT NULL DEFAULT 0, created_at timestamp NOT NULL DEFAULT now());
        CREATE TABLE api_tokens (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), app_id uuid NOT NULL,
            token text UNIQUE NOT NULL, last_used_at timestamp,
            created_at timestamp NOT NULL DEFAULT now());
    """),
    Revision("5eed00001000", "plugins: providers move out", (1, 0), """
        CREATE TABLE provider_credentials (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), tenant_id uuid NOT NULL,
            provider_name text NOT NULL, encrypted_config text);
    """),
    Revision("5eed00001070", "a function of the name uuidv7", (1, 7), f"""
        CREATE FUNCTION uuidv7() RETURNS uuid AS $$ SELECT gen_random_uuid() $$ LANGUAGE SQL;
        COMMENT ON FUNCTION {UUIDV7} IS 'a uuid of version 7';
    """),
    Revision("5eed00001130", "workflow runs name who ran them", (1, 13), """
        ALTER TABLE workflow_runs ADD COLUMN created_by text;
        CREATE INDEX workflow_run_app_idx ON workflow_runs (app_id, created_at);
    """),
    Revision("5eed00001150", "apps remember their maintainer", (1, 15), """
        ALTER TABLE apps ADD COLUMN maintainer uuid;
    """),
    Revision("5eed00001160", "agents", (1, 16), """
        CREATE TABLE agents (
            id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), tenant_id uuid NOT NULL,
            name text NOT NULL, created_at timestamp NOT NULL DEFAULT now());
    """),
    Revision("5eed00001161", "agents are found by tenant", (1, 16, 1), """
        CREATE INDEX agent_tenant_idx ON agents (tenant_id);
    """),
    Revision("5eed00001171", "agents are bound to models", (1, 17, 1), """
        ALTER TABLE agents ADD COLUMN model text;
    """),
]  # fmt: skip


def known() -> list[Revision]:
    """The revisions this release brings."""
    return [revision for revision in REVISIONS if revision.since <= VERSION]
