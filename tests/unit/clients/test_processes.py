import os
import socket
import subprocess
import time

from clients.processes import holders, listeners, open_files, process, processes


def test_a_process_is_read_with_its_parent_title_and_start():
    began = time.time()
    child = subprocess.Popen(["sleep", "30"])
    try:
        found = process(child.pid)
        assert found is not None
        assert (found.parent, found.name) == (os.getpid(), "sleep")
        assert abs(found.started - began) < 1
        assert child.pid in {other.pid for other in processes()}
    finally:
        child.kill()
        child.wait()
    assert process(child.pid) is None


def test_a_zombie_is_not_a_process():
    child = subprocess.Popen(["true"])
    deadline = time.monotonic() + 30
    while process(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process(child.pid) is None
    child.wait()


def test_a_name_with_parentheses_does_not_confuse_the_reader(tmp_path):
    program = tmp_path / "a) S (b"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([program, "30"])
    try:
        deadline = time.monotonic() + 30
        while (found := process(child.pid)) and found.name.startswith("python"):
            assert time.monotonic() < deadline
        assert found is not None
        assert found.parent == os.getpid()
    finally:
        child.kill()
        child.wait()


def test_who_listens_is_named_for_both_families():
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as server:
            server.bind((address, 0))
            server.listen()
            port = server.getsockname()[1]
            found = listeners([port])
            assert [(listener.address, listener.port) for listener in found] == [(address, port)]
            assert holders(found)[found[0].inode].pid == os.getpid()
        assert listeners([port]) == []


def test_a_bound_port_without_a_listener_is_free():
    with socket.socket() as client:
        client.bind(("127.0.0.1", 0))
        assert listeners([client.getsockname()[1]]) == []


def test_open_files_name_the_working_directory_too(tmp_path):
    with (tmp_path / "held").open("w"):
        assert str(tmp_path / "held") in open_files(os.getpid())
    assert os.getcwd() in open_files(os.getpid())  # noqa: PTH109
    assert open_files(2**22 + 1) == []
