"""A head that is lost: sockets that open and close."""

import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from jobs.runtime import joined_head
from jobs.runtime.joined_head import HeadWatch, accepts


@pytest.fixture
def head() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.listen()
    return listener


def address(head: socket.socket) -> str:
    return f"127.0.0.1:{head.getsockname()[1]}"


def test_accepts(head: socket.socket) -> None:
    where = address(head)
    assert accepts(where)
    head.close()
    assert not accepts(where)


def test_a_lost_head_is_one_line_after_the_time(head: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined_head, "LOOK_EVERY", 0.02)
    lines, lost, where = list[str](), threading.Event(), address(head)
    watch = HeadWatch(where, 0.3, lambda line: (lines.append(line), lost.set())[0])
    assert not lost.wait(0.6)
    since = time.monotonic()
    head.close()
    assert lost.wait(10)
    assert time.monotonic() - since >= 0.25
    assert lines == [f"the head of the cluster at {where} is lost: no answer for 0.3 s"]
    watch.end()


def test_a_watch_that_was_ended_is_silent(head: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined_head, "LOOK_EVERY", 0.02)
    lines = list[str]()
    watch = HeadWatch(address(head), 0.1, lines.append)
    watch.end()
    head.close()
    watch._thread.join(10)
    assert not watch._thread.is_alive()
    assert lines == []


def test_it_never_waits_longer_than_ray(head: socket.socket) -> None:
    watch = HeadWatch(address(head), 600, lambda _: None)
    assert watch.seconds == joined_head.MOST_SECONDS
    watch.end()
    head.close()


ENDED = """
import sys, time
from jobs.runtime.command_line.ending import well_ended
from jobs.runtime.joined_head import HeadWatch
from tda.config.jobs import EmbedJob

def work() -> int:
    HeadWatch("127.0.0.1:1", 0.1)
    print("before")
    time.sleep(60)
    return 0

sys.exit(well_ended("embed", EmbedJob, work)())
"""


def test_the_process_ends_with_the_line_of_its_job_and_1() -> None:
    done = subprocess.run([sys.executable, "-c", ENDED, "--json"], capture_output=True, text=True, check=False, timeout=50)
    line = (
        "the head of the cluster at 127.0.0.1:1 is lost: no answer for 0.1 s; recorded shards are kept; the same command resumes from here"
    )
    assert (done.returncode, done.stderr) == (1, f"lacuna embed: {line}\n")
    before, programs = done.stdout.splitlines()
    assert before == "before"
    assert json.loads(programs) | {"job": "embed", "state": "not whole", "status": 1, "errors": [line]} == json.loads(programs)
