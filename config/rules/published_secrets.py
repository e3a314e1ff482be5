"""Secrets that anybody can read: the defaults of Dify's, Pigsty's and the recipe's files."""

from collections.abc import Iterable, Mapping

from pydantic import SecretStr

PUBLISHED = frozenset(
    {
        "sk-9f73s3ljTXVcMT3Blb3ljTqtsKiGHXVcMT3BlbkFJLK7U",
        "sk-somerandomkey",
        "difyai123456",
        "dify-sandbox",
        "lYkiYYT6owG+71oLerGzA7GXCgOT++6ovaezWAjpCjf+Sjc3ZtU+qUEi",
        "QaHbTe77CtuXmsfyhR7+vRjI/+XbV1AaFy691iy+kGDv2Jvy0/eAh5Y1",
        "WVF5YThaHlkYwhGUSmCRgsX3tD5ngdN8pkih",
        "DBUser.Dify",
        "DBUser.DBA",
        "DBUser.Meta",
        "redis.dify",
        "redis.ms",
        "minioadmin",
        "S3User.Dify",
        "S3User.Data",
        "S3User.Backup",
        "password",
        "postgres",
        "admin",
        "changeme",
    }
)


def published(values: Mapping[str, SecretStr], names: Iterable[str]) -> list[str]:
    """Those of the names whose value anybody can read, in their order."""
    return [
        name for name in names if name in values and values[name].get_secret_value() in PUBLISHED
    ]
