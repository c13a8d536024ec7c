"""A head that is lost, or that refuses the token: sockets and lines as Ray makes them."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from ray.exceptions import AuthenticationError

from jobs.runtime import joined_head
from jobs.runtime.joined_head import HeadWatch, TokenRefusedError, accepts, refused_tokens


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
    assert lines == [f"lacuna: the head of the cluster at {where} is lost: no answer for 0.3 s; the same command resumes"]
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


def test_the_process_ends_with_the_line_and_1() -> None:
    code = "from jobs.runtime.joined_head import HeadWatch; import time; HeadWatch('127.0.0.1:1', 0.1); print('before'); time.sleep(60)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stdout) == (1, "before\n")
    assert done.stderr == "lacuna: the head of the cluster at 127.0.0.1:1 is lost: no answer for 0.1 s; the same command resumes\n"


def fail_as_ray_does() -> None:
    os.write(2, b"gcs_client.cc:210: Unauthenticated: RPC error: InvalidAuthToken\n")
    raise ConnectionError("Failed to connect to Ray cluster")


def test_a_refused_token_is_read_from_what_ray_logs(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TokenRefusedError, match=r"the token of this process .* is not its token"), refused_tokens():
        fail_as_ray_does()
    assert capfd.readouterr().err == ""


def test_a_missing_token() -> None:
    with pytest.raises(TokenRefusedError, match="it needs a token: set RAY_AUTH_TOKEN or"), refused_tokens():
        raise AuthenticationError("no authentication token was found")


def test_any_other_failure_stays_what_it_is_and_standard_error_comes_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConnectionError, match="refused"), refused_tokens():
        raise ConnectionError("refused")
    os.write(2, b"heard again\n")
    assert capfd.readouterr().err == "heard again\n"
