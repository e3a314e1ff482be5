"""Everything a Prefect server needs to know of this project, in order."""

from typing import Any, cast

from prefect.client.orchestration import SyncPrefectClient
from ruamel.yaml import YAML

from blocks.secrets import DifySecrets
from config.desired.deployments import deployments
from config.environment import Environment
from config.load import ROOT
from tasks.server.automations import DEAD_WORKER, Automations
from tasks.server.block_types import BlockTypes
from tasks.server.deployments import Deployments, wanted
from tasks.server.pool import Pool
from tasks.step import Step

BLOCKS = (DifySecrets,)


def setup_steps(client: SyncPrefectClient, environments: dict[str, Environment]) -> list[Step[Any]]:
    """What brings a server from empty to a form for every flow of every environment."""
    document = cast(dict[str, Any], YAML(typ="safe").load(ROOT / "prefect.yaml"))  # pyright: ignore[reportUnknownMemberType]
    found = deployments(document, environments)
    return [
        *(Pool(client, pool) for pool in sorted({deployment.pool for deployment in found})),
        BlockTypes(client, BLOCKS),
        Deployments(client, tuple(wanted(deployment) for deployment in found)),
        Automations(client, (DEAD_WORKER,)),
    ]
