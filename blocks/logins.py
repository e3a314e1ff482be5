"""What only somebody can know who was given a PostgreSQL, a Redis or an object store.

An environment's file says where it is and names the block's fields in `secrets.sources`.
"""

from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from blocks.icons import GUIDE, icon
from clients.authority import authority
from clients.node import LocalNode
from clients.postgres import Postgres
from clients.redis import RedisServer
from clients.s3 import Bucket
from config import environment as settings


class PostgresLogin(Block):
    """Passwords of Dify's role and of the administrator who makes its databases."""

    _block_type_name = "PostgreSQL login"
    _block_type_slug = "postgres-login"
    _logo_url = icon("postgres")
    _documentation_url = GUIDE
    _description = "Passwords of a given PostgreSQL: Dify's role, and who makes its databases."
    _code_example = """```toml
[secrets]
sources.postgres_password = "block:postgres-login/prod.password"
sources.postgres_admin_password = "block:postgres-login/prod.admin_password"
```
```python
from blocks.logins import PostgresLogin
from config.load import load_environment

print(PostgresLogin.load("prod").check(load_environment("prod").postgres))
```"""

    password: SecretStr = Field(description="Of the role postgres.user")
    admin_password: SecretStr = Field(
        default=SecretStr(""), description="Of the role postgres.admin, where one is named"
    )

    def check(self, where: settings.Postgres) -> str:
        """Log in as everybody there is. Raises RolloutError with what is wrong."""
        said: list[str] = []
        if where.admin:
            said.append(self._login(where, where.admin, self.admin_password, "postgres").check())
        said.append(self._login(where, where.user, self.password, where.database).check())
        return "; ".join(said)

    def _login(
        self, where: settings.Postgres, user: str, password: SecretStr, database: str
    ) -> Postgres:
        trusted = ""
        if where.ca:
            trusted = authority(LocalNode(), Path(where.ca), "postgres.ca", "postgres.host")
        return Postgres(
            where.host, where.port, user, password, database, sslmode=where.sslmode, ca=trusted
        )


class RedisLogin(Block):
    """The password of a Redis."""

    _block_type_name = "Redis login"
    _block_type_slug = "redis-login"
    _logo_url = icon("redis")
    _documentation_url = GUIDE
    _description = "Password of a given Redis."
    _code_example = """```toml
[secrets]
sources.redis_password = "block:redis-login/prod.password"
```
```python
from blocks.logins import RedisLogin
from config.load import load_environment

print(RedisLogin.load("prod").check(load_environment("prod").redis))
```"""

    password: SecretStr = Field(description="What requirepass says, or the password of redis.user")

    def check(self, where: settings.Redis) -> str:
        """Log in. Raises RolloutError with what is wrong."""
        return RedisServer(
            where.host, where.port, self.password, where.database, user=where.user
        ).check()


class ObjectStoreKeys(Block):
    """A pair of keys of an S3 service."""

    _block_type_name = "Object store keys"
    _block_type_slug = "object-store-keys"
    _logo_url = icon("object-store")
    _documentation_url = GUIDE
    _description = "Keys of an S3 service, for uploads or for a backup repository."
    _code_example = """```toml
[secrets]
sources.s3_access_key = "block:object-store-keys/prod.access_key"
sources.s3_secret_key = "block:object-store-keys/prod.secret_key"
sources.AWS_ACCESS_KEY_ID = "block:object-store-keys/backup.access_key"
sources.AWS_SECRET_ACCESS_KEY = "block:object-store-keys/backup.secret_key"
```
```python
from blocks.logins import ObjectStoreKeys
from config.load import load_environment

print(ObjectStoreKeys.load("prod").check(load_environment("prod").storage))
```"""

    access_key: SecretStr = Field(description="Access key id")
    secret_key: SecretStr = Field(description="Secret access key")

    def check(self, where: settings.Storage) -> str:
        """List the bucket of uploads. Raises RolloutError with what is wrong."""
        return Bucket(
            where.endpoint, where.region, where.bucket, where.path_style,
            self.access_key, self.secret_key,
        ).check()  # fmt: skip
