"""Ray's Jobs client against a server of three answers: what each failure of a cluster is called."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jobs.submission import client as module
from jobs.submission.client import HERE, Jobs, NotReachedError, UnknownJobError, dashboard_url
from tda.config.cluster import ClusterConfig
from tda.errors import LacunaError, UserError

VERSION = json.dumps({"version": "4", "ray_version": "2.60.0", "ray_commit": "c"})


class Head(ThreadingHTTPServer):
    """Answers every path with what `answers` holds for its end, else 404."""

    answers: dict[str, tuple[int, str]]
    headers: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Head

    def do_GET(self) -> None:
        self.server.headers.append(self.headers.get("authorization", ""))
        status, text = next((found for path, found in self.server.answers.items() if self.path.endswith(path)), (404, "does not exist"))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def head() -> Iterator[Head]:
    server = Head(("127.0.0.1", 0), Answer)
    server.answers, server.headers = {"/api/version": (200, VERSION)}, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t" * 64)


def test_where_jobs_are_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dashboard_url(ClusterConfig()) == HERE
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://head:1/")
    assert dashboard_url(ClusterConfig()) == "http://head:1"
    assert dashboard_url(ClusterConfig(dashboard="https://other")) == "https://other"
    with pytest.raises(UserError, match=r"cluster\.dashboard=head:8265 is not a URL; it is like http://HOST:8265"):
        dashboard_url(ClusterConfig(dashboard="head:8265"))


def test_the_address_given_wins_over_rays_variables(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:2")
    assert Jobs(head.url).find("x") is None
    assert module.os.environ["RAY_ADDRESS"] == "127.0.0.1:2"


def test_nobody_answers() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NotReachedError, match=f"no Ray cluster answers at {url}: "):
        Jobs(url)


def test_a_head_that_hangs_is_left_after_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", (1, 0.2))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(NotReachedError, match="timed out"):
            Jobs(f"http://127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (403, "Forbidden: Invalid authentication token", "the token of RAY_AUTH_TOKEN is not the token of the cluster at"),
        (401, "Unauthorized: Missing authentication token", "needs a token, and RAY_AUTH_TOKEN has none"),
    ],
)
def test_a_wrong_or_missing_token_is_the_users(head: Head, status: int, text: str, message: str) -> None:
    head.answers["/api/version"] = (status, text)
    with pytest.raises(UserError, match=message):
        Jobs(head.url)


OPEN = "asks for no token, so whoever reaches its ports can run any command on its machines (CVE-2023-48022)"


@pytest.mark.parametrize("answer", [(200, json.dumps({"authentication_mode": "disabled"})), (404, "a Ray before tokens")])
def test_a_cluster_that_asks_for_no_token(head: Head, answer: tuple[int, str], capsys: pytest.CaptureFixture[str]) -> None:
    head.answers["/api/authentication_mode"] = answer
    jobs = Jobs(head.url)
    with pytest.raises(UserError) as caught:
        jobs.require_token(insecure=False)
    advice = "start it with RAY_AUTH_MODE=token, or give cluster.insecure=true to use it all the same"
    assert str(caught.value) == f"the cluster at {head.url} {OPEN}: {advice}"
    jobs.require_token(insecure=True)
    assert capsys.readouterr().err == f"lacuna: the cluster at {head.url} {OPEN}\n"


def test_a_cluster_that_asks_for_a_token_needs_no_word(head: Head, capsys: pytest.CaptureFixture[str]) -> None:
    head.answers["/api/authentication_mode"] = (200, json.dumps({"authentication_mode": "token"}))
    Jobs(head.url).require_token(insecure=False)
    assert capsys.readouterr().err == ""


def test_an_unknown_job(head: Head) -> None:
    jobs = Jobs(head.url)
    with pytest.raises(UnknownJobError, match="has no job j"):
        jobs.details("j")
    assert jobs.find("j") is None


def test_a_proxy_before_a_lost_head(head: Head) -> None:
    jobs = Jobs(head.url)
    head.answers["/api/jobs/j"] = (502, "Bad gateway")
    with pytest.raises(NotReachedError, match="502"):
        jobs.details("j")


def test_any_other_failure_is_one_line(head: Head) -> None:
    jobs = Jobs(head.url)
    head.answers["/api/jobs/j"] = (400, "no\nTraceback\n")
    with pytest.raises(LacunaError) as caught:
        jobs.details("j")
    assert str(caught.value) == f"{head.url}: Request failed with status code 400: no"


@pytest.mark.parametrize(("text", "mine"), [("Job with submission_id j already exists.", False), (None, True)])
def test_a_job_that_another_submitted_meanwhile(head: Head, text: str | None, mine: bool) -> None:
    jobs = Jobs(head.url)
    answer = json.dumps({"job_id": "j", "submission_id": "j"})
    head.answers["/api/jobs/"] = (200, answer) if text is None else (500, text)
    assert jobs.submit(entrypoint="true", submission_id="j") is mine
