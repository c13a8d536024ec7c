"""`jobs.submit` as it is typed, on a cluster that is a table of jobs: what is submitted, attached to, stopped, and how it ends."""

from types import SimpleNamespace
from typing import Any

import pytest
from typed import Typed, typed

from jobs.submission.client import UnknownJobError
from jobs.submission.request import Request
from jobs.submit import main

ID = "lacuna-report-0123456789ab"
WORDS = ["--", "jobs.report", "root=/r"]


class Cluster:
    """Jobs by id, each with its status and exit code. A submitted job, or a running one that is looked at twice, ends as `ends` says."""

    url = "http://head"

    def __init__(self) -> None:
        self.table: dict[str, tuple[str, int | None, str]] = {}
        self.ends: tuple[str, int | None, str] = ("SUCCEEDED", 0, "")
        self.submitted: list[dict[str, Any]] = []
        self.interrupts = self.raced = False

    def require_token(self, *, insecure: bool) -> None:
        self.insecure = insecure

    def find(self, job_id: str) -> Any | None:
        return self.details(job_id) if job_id in self.table else None

    def details(self, job_id: str) -> Any:
        if job_id not in self.table:
            raise UnknownJobError(f"{self.url} has no job {job_id}")
        state, code, message = self.table[job_id]
        if state == "RUNNING":
            if self.submitted and self.interrupts:
                raise KeyboardInterrupt
            self.table[job_id] = self.ends
        return SimpleNamespace(status=state, driver_exit_code=code, message=message)

    def submit(self, **request: Any) -> bool:
        self.submitted.append(request)
        self.table[request["submission_id"]] = ("RUNNING", None, "")
        return not self.raced

    def stop(self, job_id: str) -> None:
        self.table[job_id] = ("STOPPED", None, "")

    def logs(self, _: str) -> str:
        return "what the job printed\n"

    async def tail(self, _: str) -> Any:
        yield "what the job "


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    found = Cluster()
    monkeypatch.setattr("jobs.submit.Jobs", lambda _: found)
    monkeypatch.setattr("jobs.submit.made_request", lambda *_: Request("report", "python -m jobs.report root=/r", {"a": 1}, ID))
    monkeypatch.setattr("jobs.submission.follow.RECONNECT", 0.01)
    return found


def submit(*words: str) -> Typed:
    return typed("submit", "poll_seconds=0.01", *words)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def names(cluster: Cluster) -> list[str]:
    return [request["submission_id"] for request in cluster.submitted]


def test_a_new_command_is_submitted_and_followed(cluster: Cluster) -> None:
    done = submit("driver_cpus=2", "driver_memory=1000", *WORDS)
    assert (done.returncode, done.stdout) == (0, f"what the job printed\nsubmit: {ID} succeeded\n")
    assert done.stderr == f"lacuna submit: {ID} is submitted: python -m jobs.report root=/r\n"
    (request,) = cluster.submitted
    assert (request["entrypoint"], request["runtime_env"]) == ("python -m jobs.report root=/r", {"a": 1})
    assert (request["entrypoint_num_cpus"], request["entrypoint_memory"]) == (2, 1000)


def test_a_command_that_is_done_is_not_run_again_unless_asked(cluster: Cluster) -> None:
    cluster.table = {ID: ("SUCCEEDED", 0, "")}
    done = submit(*WORDS)
    assert (done.returncode, done.stdout) == (0, f"submit: {ID} is done already; again=true runs it once more\n")
    assert not cluster.submitted
    assert submit("again=true", *WORDS).returncode == 0
    assert submit("--again", *WORDS).returncode == 0
    assert names(cluster) == [f"{ID}-2", f"{ID}-3"]


@pytest.mark.parametrize("state", ["FAILED", "STOPPED"])
def test_one_that_failed_or_was_stopped_is_submitted_again(cluster: Cluster, state: str) -> None:
    cluster.table = {ID: ("SUCCEEDED", 0, ""), f"{ID}-2": (state, 1, "")}
    assert submit(*WORDS).returncode == 0
    assert names(cluster) == [f"{ID}-3"]


def test_a_running_one_is_attached_to(cluster: Cluster) -> None:
    cluster.table = {ID: ("RUNNING", None, "")}
    done = submit("again=true", *WORDS)
    assert (done.returncode, cluster.submitted) == (0, [])
    assert done.stderr == f"lacuna submit: {ID} is running: attached to it\n"


def test_no_wait(cluster: Cluster) -> None:
    assert submit("--no-wait", *WORDS).stdout == f"submit: {ID} is submitted\n"
    assert submit("no_wait=true", *WORDS).stdout == f"submit: {ID} is running\n"
    assert names(cluster) == [ID]


def test_another_was_faster(cluster: Cluster) -> None:
    cluster.raced = True
    done = submit(*WORDS)
    assert done.returncode == 0
    assert f"{ID} was submitted by another: " in done.stderr


@pytest.mark.parametrize(
    ("ends", "status", "line"),
    [
        (("FAILED", 1, "text"), 1, f"submit: {ID} failed: exit status 1"),
        (("FAILED", None, "the node\nis gone"), 1, f"submit: {ID} failed: the node is gone"),
        (("FAILED", 2, ""), 2, f"lacuna submit: {ID} refused its command (exit status 2): its last line names the value"),
        (("STOPPED", None, ""), 1, f"submit: {ID} was stopped; the same command resumes it"),
    ],
)
def test_the_exit_status_is_the_jobs(cluster: Cluster, ends: tuple[str, int | None, str], status: int, line: str) -> None:
    cluster.ends = ends
    done = submit(*WORDS)
    assert done.returncode == status
    assert line in (done.stdout + done.stderr).splitlines()


def test_attach_and_stop_by_id(cluster: Cluster) -> None:
    cluster.table = {"a": ("RUNNING", None, ""), "b": ("RUNNING", None, ""), "c": ("SUCCEEDED", 0, "")}
    cluster.ends = ("FAILED", 1, "")
    assert submit("attach=a").returncode == 1
    assert submit("stop=b").stdout == "submit: b is stopped\n"
    assert submit("stop=c").stdout == "submit: c is succeeded\n"
    done = submit("attach=d")
    assert (done.returncode, done.stderr) == (1, "lacuna submit: http://head has no job d\n")


@pytest.mark.parametrize("moment", ["submitted", "followed"])
def test_ctrl_c_detaches(cluster: Cluster, moment: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.interrupts = moment == "followed"
    if moment == "submitted":
        monkeypatch.setattr("jobs.submit.ended", interrupt)
    monkeypatch.setattr("sys.argv", ["jobs.submit", *WORDS])
    assert main() == 130
    assert cluster.table[ID][0] == "RUNNING"
    here = "python -m jobs.submit cluster.dashboard=http://head"
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"lacuna submit: detached; {ID} runs on: {here} attach={ID} follows it, {here} stop={ID} ends it"


@pytest.mark.parametrize("words", [[], ["attach=a", "stop=a"], ["stop=a", *WORDS]])
def test_one_of_three(cluster: Cluster, words: list[str]) -> None:
    done = submit(*words)
    assert (done.returncode, done.stderr) == (2, "lacuna submit: give one of: a command after --, attach=ID, or stop=ID\n")
    assert not cluster.submitted


def test_an_unknown_command_is_one_line() -> None:
    done = typed("submit", "--", "jobs.embd", "--cfg", "job")
    assert done.returncode == 2
    assert done.stderr.startswith("lacuna submit: the command after -- begins with jobs.embd; it can be jobs.analyze, ")
