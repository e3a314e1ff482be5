"""Everything a Prefect server needs to know of this project, in order."""

from datetime import timedelta
from typing import Any, cast

from prefect.client.orchestration import SyncPrefectClient
from ruamel.yaml import YAML

from blocks.health_record import HealthRecord
from blocks.login import Login
from blocks.logins import ObjectStoreKeys, PostgresLogin, RedisLogin
from blocks.repository import BackupRepository
from blocks.secrets import DifySecrets
from blocks.ssh_key import SshKey
from config.environment import Environment
from config.load import ROOT
from config.rules.deployments import Deployment, deployments
from tasks.core.step import Step
from tasks.server.alerts import OWNED, health_alerts
from tasks.server.automations import DEAD_WORKER, Automations, MissedBackups
from tasks.server.block_types import BlockTypes
from tasks.server.deployments import Deployments, wanted
from tasks.server.failures import FailureAlerts
from tasks.server.pages import pages
from tasks.server.pool import Pool

BLOCKS = (
    DifySecrets,
    Login,
    SshKey,
    PostgresLogin,
    RedisLogin,
    ObjectStoreKeys,
    BackupRepository,
    HealthRecord,
)


def setup_steps(client: SyncPrefectClient, environments: dict[str, Environment]) -> list[Step[Any]]:
    """What brings a server from empty to a form for every flow of every environment."""
    document = cast(dict[str, Any], YAML(typ="safe").load(ROOT / "prefect.yaml"))  # pyright: ignore[reportUnknownMemberType]
    found = deployments(document, environments)
    return [
        *(Pool(client, pool) for pool in sorted({deployment.pool for deployment in found})),
        pages(),
        BlockTypes(client, BLOCKS),
        Deployments(client, tuple(wanted(deployment) for deployment in found)),
        Automations(client, (DEAD_WORKER, *health_alerts(client, environments)), owned=OWNED),
        FailureAlerts(client, environments, found),
        MissedBackups(client, _backup_windows(found, environments)),
    ]


def _backup_windows(
    found: list[Deployment], environments: dict[str, Environment]
) -> dict[str, timedelta]:
    """Environments with a repository and a schedule → how long a backup may be waited for."""
    scheduled = {
        deployment.environment
        for deployment in found
        if deployment.schedules and deployment.flow == "backup"
    }
    return {
        name: timedelta(hours=environments[name].backup.window_h)
        for name in sorted(scheduled)
        if environments[name].backup.repository
    }
