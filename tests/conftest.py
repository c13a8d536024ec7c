"""Fixtures shared by all tests: the folders of real data, and one Ray for everything that may share it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's workers are polite to everything else, here to the other tests: they would starve
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell: processes of tests could not be interrupted
    signal.signal(signal.SIGINT, signal.default_int_handler)
FIRST = ("test_paper.py", "chaos", "test_remote_run.py")  # what takes longest: nobody waits for it alone at the end
TOGETHER = {"chaos": ("/chaos/",), "clusters": ("/clusters/", "/parts/test_clusters.py")}  # name: parts of paths
SHARED = Path(__file__).resolve().parents[1].parent / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file goes first, then the longest folder."""
    items.sort(key=lambda item: min((i for i, name in enumerate(FIRST) if name in item.path.parts), default=len(FIRST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file is one process's; so are tests/chaos, whose files share a cluster of several nodes, and clusters, compiled for a minute."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            together = [name for name, parts in TOGETHER.items() if any(part in nodeid for part in parts)]
            return together[0] if together else super()._split_scope(nodeid)

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def _folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"../shared/{name} is not there: real data and golden checkpoints are not part of the repository")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real embeddings and images, with the statistics expected of them."""
    return _folder("data")


@pytest.fixture(scope="session")
def shared_golden() -> Path:
    """Tiny checkpoints of every format with the outputs of their original implementations."""
    return _folder("golden")


@pytest.fixture(scope="session")
def shared_k8s() -> Path:
    """KubeRay's schemas."""
    return _folder("k8s")


@pytest.fixture(scope="session")
def drawn_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A planted root and its report, drawn once for all processes of this run: who uses it changes nothing in it."""
    from filelock import FileLock
    from planted_report import CONFIG, plant

    from tda.report.page import build

    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with FileLock(folder / "drawn_report.lock"):
        root = folder / "drawn_report"
        if not (root / "report" / "index.html").exists():
            assert build(plant(root), CONFIG).rebuilt
    return root


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A Ray on this machine that the jobs of a test session join."""
    from jobs.runtime.session import ray_session
    from tda.config.cluster import ClusterConfig

    with ray_session(ClusterConfig()):
        yield
