"""The queues a worker takes jobs from, as the release names them."""

from dify.settings import MODERN

OLD = ("dataset", "generation", "mail")
NEW = (
    "api_token", "dataset", "dataset_summary", "priority_dataset", "priority_pipeline", "pipeline",
    "mail", "ops_trace", "app_deletion", "plugin", "workflow_storage", "conversation", "workflow",
    "schedule_poller", "schedule_executor", "triggered_workflow_dispatcher",
    "trigger_refresh_executor", "retention", "workflow_based_app_execution",
)  # fmt: skip

if __name__ == "__main__":
    print(",".join(NEW if MODERN else OLD))
