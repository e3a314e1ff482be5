"""The queues a worker takes jobs from, as the release names them."""

from standin.settings import VERSION

BEFORE_1_0 = ["dataset", "generation", "mail"]
SINCE_1_0 = [
    "dataset", "priority_dataset", "priority_pipeline", "pipeline", "mail", "ops_trace",
    "app_deletion", "plugin", "workflow_storage", "conversation", "workflow", "schedule_poller",
    "schedule_executor", "triggered_workflow_dispatcher", "trigger_refresh_executor",
]  # fmt: skip
SINCE_1_13 = ["api_token", "dataset_summary", "retention", "workflow_based_app_execution"]
SINCE_1_16 = ["app_rbac"]


def consumed() -> list[str]:
    if VERSION < (1, 0):
        return BEFORE_1_0
    return [
        *SINCE_1_0,
        *(SINCE_1_13 if VERSION >= (1, 13) else ()),
        *(SINCE_1_16 if VERSION >= (1, 16) else ()),
    ]


if __name__ == "__main__":
    print(",".join(consumed()))
