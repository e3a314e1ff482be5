"""What earlier runs left on the Prefect server."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prefect.client.schemas.filters import ArtifactCollectionFilter, ArtifactCollectionFilterKey

from blocks.prefect_api import api


@dataclass(frozen=True, slots=True)
class Artifact:
    """The newest artifact of a key; `rows` of a table."""

    at: datetime
    data: Any

    @property
    def rows(self) -> list[dict[str, Any]]:
        return json.loads(self.data) if isinstance(self.data, str) else self.data


def newest(keys: list[str]) -> dict[str, Artifact]:
    """By key; those that were never made are missing."""
    wanted = ArtifactCollectionFilter(key=ArtifactCollectionFilterKey(any_=keys))
    found = api().read_latest_artifacts(artifact_filter=wanted)
    return {each.key: Artifact(each.updated, each.data) for each in found if each.updated}
