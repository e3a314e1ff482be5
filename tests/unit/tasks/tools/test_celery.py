from tasks.tools.celery import leave, parse, shown, take

DOCUMENT = "0f8a6a4e-1b7c-4c5e-9d55-0a8f3f6a1c11"


def test_the_answer_is_the_last_line() -> None:
    assert parse("a warning\n[]\n") == []
    assert parse('[["1", "tasks.x", "[]"]]') == [["1", "tasks.x", "[]"]]


def test_a_job_is_shown_without_its_arguments() -> None:
    job = ["e3d1", "tasks.document_indexing_task", f"['{DOCUMENT}', 'sk-secret']"]
    assert shown(job) == f"document_indexing_task e3d1 {DOCUMENT}"


def test_the_program_is_one_argument() -> None:
    assert leave()[:2] == ["python3", "-c"]
    compile(leave()[2], "program", "exec")


def test_queues_are_arguments_of_their_own() -> None:
    assert take(["dataset", "mail"])[-3:] == ["take", "dataset", "mail"]
