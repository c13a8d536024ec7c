"""Checkpoints as jobs of a cluster: what is submitted, and what each answer of the cluster means for the checkpoint."""

import shlex
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from watched import Clock

from jobs.submission.client import NotReachedError, UnknownJobError
from jobs.watching.runner import State, Task
from jobs.watching.submitted import RayJobs, words_of_jobs
from tda.errors import LacunaError

TASK = Task(label="epoch_1.pt", step=1, key="ab-cd", attempt=2, encoder="clip@1", url="s3://b/epoch_1.pt", sha256="0" * 64)
NAME = "watch-epoch_1.pt-ab-cd-2"


class Cluster:
    """In the place of `jobs.submission.client.Jobs`: answers as a test asks."""

    def __init__(self) -> None:
        self.submitted: list[dict[str, Any]] = []
        self.answer: Callable[[], Any] = lambda: SimpleNamespace(status="RUNNING", message="")
        self.away, self.log = False, "one\nlacuna watch: the disk is full\n"

    def submit(self, **request: Any) -> bool:
        if self.away:
            raise NotReachedError("no Ray cluster answers at http://h:8265: refused")
        self.submitted.append(request)
        return True

    def details(self, job_id: str) -> Any:
        assert job_id == NAME
        return self.answer()

    def logs(self, job_id: str) -> str:
        assert job_id == NAME
        if not self.log:
            raise LacunaError("its node is gone")
        return self.log


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def runner(cluster: Cluster, clock: Clock | None = None) -> RayJobs:
    words = words_of_jobs(["checkpoints=/run", "once=true", "watch.submit=mine", "dataset.shards='/a b/*.tar'"], "/root")
    made: Any = cluster
    request = {"runtime_env": {"py_modules": ["jobs"]}, "entrypoint_num_cpus": 1.0}
    return RayJobs(made, words=words, request=request, at_once=3, wait_seconds=60, clock=clock or Clock())


def raising(error: Exception) -> Callable[[], Any]:
    def answer() -> Any:
        raise error

    return answer


def test_one_attempt_is_one_job_by_its_name(cluster: Cluster) -> None:
    one = runner(cluster)
    one.start(TASK)
    (request,) = cluster.submitted
    assert (one.slots, one.shared, request["submission_id"]) == (3, True, NAME)
    words = ["python", "-m", "jobs.watch", "checkpoints=/run", "dataset.shards='/a b/*.tar'", "cluster=auto", "root=/root"]
    assert shlex.split(request["entrypoint"]) == [*words, "watch.task=epoch_1.pt/ab-cd/2"]
    assert (request["runtime_env"], request["entrypoint_num_cpus"]) == ({"py_modules": ["jobs"]}, 1.0)


def test_what_is_of_the_watcher_alone_is_left_out() -> None:
    own = ["once=true", "interval=5", "root=x", "cluster=local", "cluster.dashboard=http://h", "cluster.wait_seconds=3", "+watch.env=[A]"]
    own += ["watch.notify=[mail]", "watch.webhook=https://hook/secret", "watch.at_once=9", "watch.submit=cluster"]
    kept = ["encoder.name=a", "watch.naming=open_clip", "cluster.actors=2"]
    assert words_of_jobs([*own, *kept], "s3://b/root") == [*kept, "cluster=auto", "root=s3://b/root"]


@pytest.mark.parametrize(
    ("status", "log", "state", "line"),
    [
        ("PENDING", "", State.RUNNING, ""),
        ("RUNNING", "half", State.RUNNING, ""),
        ("SUCCEEDED", "a\nset / clip@1: 9 pairs\n", State.SUCCEEDED, "set / clip@1: 9 pairs"),
        ("FAILED", "a\nlacuna watch: the disk is full\n", State.FAILED, "the disk is full"),
        ("FAILED", "", State.FAILED, "its node died"),
        ("STOPPED", "", State.STOPPED, "its node died"),
    ],
)
def test_the_state_of_a_job(cluster: Cluster, status: str, log: str, state: State, line: str) -> None:
    cluster.answer, cluster.log = lambda: SimpleNamespace(status=status, message="its\n node died"), log
    found = runner(cluster).state(TASK)
    assert (found.state, found.line) == (state, line)


def test_a_cluster_that_is_away_is_waited_for_and_then_lost(cluster: Cluster) -> None:
    clock = Clock()
    one = runner(cluster, clock)
    away = raising(NotReachedError("no Ray cluster answers at http://h:8265: refused"))
    cluster.answer = away
    assert one.state(TASK).state is State.RUNNING
    clock.now = 59
    cluster.answer = Cluster().answer  # it is back
    assert one.state(TASK).state is State.RUNNING
    clock.now, cluster.answer = 70, away
    assert one.state(TASK).state is State.RUNNING
    clock.now = 130
    lost = one.state(TASK)
    assert (lost.state, lost.line) == (State.LOST, "its cluster is lost: no Ray cluster answers at http://h:8265: refused")


def test_another_cluster_does_not_know_the_job(cluster: Cluster) -> None:
    cluster.answer = raising(UnknownJobError("http://h:8265 has no job"))
    assert runner(cluster).state(TASK).state is State.LOST


def test_a_cluster_that_is_away_at_the_start_is_no_failure_of_the_checkpoint(cluster: Cluster) -> None:
    cluster.away = True
    one = runner(cluster)
    one.start(TASK)
    assert one.state(TASK).state is State.STOPPED
    cluster.away = False
    one.start(TASK)
    assert one.state(TASK).state is State.RUNNING
    assert len(cluster.submitted) == 1
