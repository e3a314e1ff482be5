"""Section [limits] of an environment."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from config.environment.model import Strict, refuse

Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


class Limits(Strict):
    """Pairs: from the first number on a probe warns, from the second on it fails."""

    connections_pct: Pair
    replication_lag_s: Pair
    transaction_s: Pair
    archive_s: Pair
    database_gb: Pair
    redis_memory_pct: Pair
    queue_jobs: Pair
    waiting_s: Pair
    beat_s: Pair
    restarts: Pair
    log_errors_per_min: Pair
    answer_s: Pair
    certificate_days: Pair
    disk_pct: Pair
    disk_days: Pair
    clock_s: Pair
    drill_days: Pair

    @model_validator(mode="after")
    def warn_before_they_fail(self) -> Self:
        falling = ("certificate_days", "disk_days")
        pairs: dict[str, list[float]] = self.model_dump()
        refuse(
            f"{key}: {warn:g} warns after {fail:g} has failed; expected the milder number first"
            for key, (warn, fail) in pairs.items()
            if (warn < fail if key in falling else warn > fail)
        )
        return self
