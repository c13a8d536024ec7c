"""One cluster of several nodes for all chaos tests, and the list of what each fault ended in."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from chaos import ENCODER, EndedIn, Meeting, Running, quick_describe, quick_embedder, write_shards
from machines import Machines, several_machines

from jobs.embed import embed
from jobs.runtime.app import Outcome
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig

SHARDS = 6


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    ends = [(report.nodeid, value) for report in reports for name, value in report.user_properties if name == "ended_in"]
    if ends:
        terminalreporter.section("what each fault ended in")
    for test, end in ends:
        terminalreporter.write_line(f"{test.rpartition('::')[2].removeprefix('test_').replace('_', ' ')}: {end}")


@pytest.fixture
def ended_in(record_property: Callable[[str, object], None]) -> EndedIn:
    """Records what the fault of this test ended in."""
    return lambda what: record_property("ended_in", what)


@pytest.fixture(scope="session")
def machines() -> Iterator[Machines]:
    with several_machines() as machines:
        yield machines


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DatasetConfig:
    return write_shards(tmp_path_factory.mktemp("chaos") / "shards", SHARDS)


@pytest.fixture
def meeting(tmp_path: Path) -> Iterator[Meeting]:
    folder = tmp_path / "meeting"
    folder.mkdir()
    yield (found := Meeting(folder))
    found.let_go()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def running(*, machines: Machines, dataset: DatasetConfig, meeting: Meeting, root: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    """Starts `jobs.embed`'s own driver on a thread; keywords are fields of its limits or of its cluster. Whatever happens, it ends."""
    monkeypatch.setattr("jobs.embed.Embedder", quick_embedder(meeting))
    monkeypatch.setattr("jobs.embed.describe", quick_describe)
    of_limits = EmbedConfig.__dataclass_fields__

    @contextmanager
    def running(into: Path = root, **options: object) -> Iterator[Future[Outcome]]:
        limits = EmbedConfig(**{"max_drop_fraction": 0.5} | {name: value for name, value in options.items() if name in of_limits})  # type: ignore[arg-type]  # as given
        cluster = ClusterConfig(**{"address": machines.address} | {name: value for name, value in options.items() if name not in of_limits})  # type: ignore[arg-type]  # as given
        with ThreadPoolExecutor(1) as pool:
            try:
                yield pool.submit(embed, str(into), dataset, [EncoderConfig(name=ENCODER)], limits, cluster)
            finally:
                meeting.let_go()

    return running


@pytest.fixture(scope="session")
def clean(machines: Machines, dataset: DatasetConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a run in which nothing happened."""
    folder = tmp_path_factory.mktemp("clean")
    (folder / "meeting").mkdir()
    if not machines.nodes:
        machines.have((1, 0), (1, 0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.embed.Embedder", quick_embedder(Meeting(folder / "meeting")))
        patch.setattr("jobs.embed.describe", quick_describe)
        outcome = embed(str(folder / "root"), dataset, [EncoderConfig(name=ENCODER)], EmbedConfig(max_drop_fraction=0.5), ClusterConfig())
    assert outcome.whole
    return folder / "root"
