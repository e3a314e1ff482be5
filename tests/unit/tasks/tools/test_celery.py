import json

from tasks.tools.celery import leave, parse, shown, take

DOCUMENT = "0f8a6a4e-1b7c-4c5e-9d55-0a8f3f6a1c11"
RUN, OTHER = "5a1c3e0b-7d21-4c6e-8a10-2f4b6c8d0e12", "11111111-2222-3333-4444-555555555555"


def test_the_answer_is_the_last_line() -> None:
    assert parse("a warning\n[]\n") == []
    assert parse('[["1", "tasks.x", [], {}]]') == [["1", "tasks.x", [], {}]]


def test_a_job_is_shown_without_its_arguments() -> None:
    job = ["e3d1", "tasks.document_indexing_task", [DOCUMENT, "sk-secret"], {}]
    assert shown(job) == f"document_indexing_task e3d1 {DOCUMENT}"


def test_the_run_of_a_workflow_is_named_among_all_the_ids_beside_it() -> None:
    """As Dify's API hands it to a worker: one text, with the run after app, flow and tenant."""
    user = {"TYPE": "end_user", "end_user_id": OTHER}
    about = {"app_id": OTHER, "workflow_id": OTHER, "tenant_id": OTHER, "user": user}
    given = {"args": {"inputs": {"key": "sk-secret"}}, "workflow_run_id": RUN}
    job = ["e3d1", "tasks.app_generate.workflow_execute_task.workflow_based_app_execution_task"]
    found = shown([*job, [json.dumps(about | given)], {}])
    assert found == f"workflow_based_app_execution_task e3d1 workflow_run_id {RUN}"


def test_documents_are_named_where_arguments_have_names() -> None:
    named = {"tenant_id": OTHER, "dataset_id": OTHER, "document_ids": [DOCUMENT, RUN]}
    found = shown(["e3d1", "tasks.normal_document_indexing_task", [], named])
    assert found.split()[2:] == ["document_ids", DOCUMENT, "document_ids", RUN]
    many = [f"{n:08x}{DOCUMENT[8:]}" for n in range(5)]
    assert shown(["e3d1", "x", [], {"document_ids": many}]).endswith(f"{many[2]} and 2 more")


def test_what_is_no_id_is_not_shown_whatever_its_name() -> None:
    assert shown(["e3d1", "x", ["{no json"], {"document_id": "sk-secret"}]) == "x e3d1"


def test_the_program_is_one_argument() -> None:
    assert leave()[:2] == ["python3", "-c"]
    compile(leave()[2], "program", "exec")


def test_queues_are_arguments_of_their_own() -> None:
    assert take(["dataset", "mail"])[-3:] == ["take", "dataset", "mail"]
