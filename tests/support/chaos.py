"""What chaos tests share: shards, an encoder that takes no time, and the folder by which a test and the actors of its run meet.

N rows, D dimensions.
"""

import os
import resource
import signal
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bad_shards import good_pairs, write_tar

from jobs.embedding.embedder import Embedder, EmbedPlan, ShardTask
from jobs.runtime.app import Outcome
from tda.config.datasets import DatasetConfig
from tda.config.models import EncoderConfig
from tda.store.commit.quarantine import read_quarantine
from tda.store.commit.records import ShardRecord, read_record, recorded
from tda.store.commit.rows import Rows, unit_rows
from tda.store.commit.transaction import publish_shard
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.files import exists
from tda.store.paths import RootPaths
from tda.store.shards import check_shard, read_shard
from tda.store.types import Drop

EndedIn = Callable[[str], None]
Running = Callable[..., AbstractContextManager[Future[Outcome]]]

DIM, PAIRS = 8, 4
DATASET, ENCODER = "set", "quick"
SAME = "the table of a clean run"
PATIENCE = 240.0  # seconds; a guard against hanging on a busy machine, no test comes near it


def write_shards(folder: Path, count: int) -> DatasetConfig:
    """`count` small shards, each of `PAIRS` good pairs and one without a caption."""
    folder.mkdir()
    for i in range(count):
        lonely = next(iter(good_pairs(1, first=10_000 + i)))
        write_tar(folder / f"{i:05d}.tar", [*good_pairs(PAIRS, first=i * PAIRS), lonely])
    return DatasetConfig(name=DATASET, shards=str(folder / "*.tar"))


def quick_describe(encoder: EncoderConfig, resize: str) -> tuple[str, dict[str, Any]]:
    """In the place of `tda.encoders.describe`: the quick encoder has no weights, and none of torch's seconds."""
    return "0" * 64, {"hash": "crc32", "format": encoder.format, "resize": resize}


def wait_for(what: Callable[[], Any]) -> Any:
    """The first true value of `what()`."""
    end = time.monotonic() + PATIENCE
    while not (value := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


def ended(process: int) -> bool:
    """Whether a process is no more, or nothing but an entry that nobody has collected."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@dataclass(frozen=True)
class Work:
    """An actor that has taken up a shard."""

    process: int
    node: str


@dataclass(frozen=True)
class Meeting:
    """A folder: a test says in it what has to happen to whom, actors say what they are at.

    Words about a shard: `hold` it until it is let go (with `slow`, while moving on). `die`: whoever takes it up ends. `full`: the disk
    ends after 2,000 bytes. `rows`, `drops`, `record`, `after`: driver and actor are killed in the moment before that is published, or
    after all is.
    """

    folder: Path

    def say(self, shard: str, *what: str) -> None:
        for word in what:
            (self.folder / f"{shard}.{word}").touch()

    def let_go(self, shard: str = "*") -> None:
        for path in self.folder.glob(f"{shard}.hold"):
            path.unlink(missing_ok=True)

    def at_work(self, shard: str) -> list[Work]:
        """Who has taken the shard (`*`: any) up, in order."""
        found = sorted(self.folder.glob(f"{shard}.at.*"), key=lambda path: path.stat().st_mtime_ns)
        return [Work(int(process), node) for process, node in (path.name.split(".")[-2:] for path in found)]

    def take_up(self, shard: str, attempt: int, moved_on: Callable[[], None]) -> None:
        """The actor's side."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        (self.folder / f"{shard}.at.{attempt}.{os.getpid()}.{node}").touch()
        if self.said(shard, "die"):
            os._exit(1)
        if self.said(shard, "full"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
        while self.said(shard, "hold"):
            time.sleep(0.01)
            if self.said(shard, "slow"):
                moved_on()

    def said(self, shard: str, word: str) -> bool:
        return (self.folder / f"{shard}.{word}").exists()


def quick_embedder(meeting: Meeting, driver: int = 0) -> type[Embedder]:
    """The actor of `jobs.embed` with the real gate and the real transaction, and an encoder that hashes. `driver`: whom it may kill."""

    class QuickEmbedder(Embedder):
        def _embed(self, task: ShardTask, attempt: int) -> list[ShardRecord]:
            meeting.take_up(task.name, attempt, self.moved_on)
            for word, where in COMMIT_POINTS.items():
                if meeting.said(task.name, word):
                    sys.addaudithook(lambda event, args, where=where: _kill_at(event, args, f"{where}/{task.name}.", driver))
            records = quick_embed(self.plan, task, attempt)
            if meeting.said(task.name, "after"):
                _kill(driver)
            return records

    return QuickEmbedder


COMMIT_POINTS = {"rows": "/embeddings/set/quick", "drops": "/quarantine/set/quick", "record": "/_records"}  # word -> folder


def _kill_at(event: str, args: tuple[Any, ...], where: str, driver: int) -> None:
    """Python tells of a rename or link before it is done; a file gets its name by no other way."""
    if event in {"os.rename", "os.link"} and where in os.fsdecode(args[1]):
        _kill(driver)


def _kill(driver: int) -> None:
    os.kill(driver, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def quick_embed(plan: EmbedPlan, task: ShardTask, attempt: int) -> list[ShardRecord]:
    paths = RootPaths(plan.root)
    for name in task.encoders:
        if not exists(paths.record(task.dataset, name, task.name)):
            source = check_shard(task.url, plan.modalities)
            rows, drops = _quick_rows(task.url, plan)
            publish_shard(
                paths,
                task.dataset,
                name,
                task.name,
                rows=rows,
                drops=drops,
                identity=plan.identities[name],
                source=source,
                attempt=attempt,
            )
    return [read_record(paths, task.dataset, name, task.name) for name in task.encoders]


def _quick_rows(url: str, plan: EmbedPlan) -> tuple[Rows, list[Drop]]:
    found = list(read_shard(url, plan.modalities, max_member_bytes=2**20, max_caption_bytes=2**10))
    drops = [pair for pair in found if isinstance(pair, Drop)]
    pairs: list[Any] = [pair for pair in found if not isinstance(pair, Drop)]
    image_ND, text_ND = (_hashed(member) for member in zip(*(pair.members for pair in pairs), strict=True))
    rows = Rows(
        ordinals=[pair.ordinal for pair in pairs],
        keys=[pair.key for pair in pairs],
        captions=[pair.caption for pair in pairs],
        image_ND=image_ND,
        text_ND=text_ND,
    )
    return rows, drops


def _hashed(members: tuple[bytes | str, ...]) -> np.ndarray:
    seeds = [zlib.crc32(member.encode() if isinstance(member, str) else member) for member in members]
    return unit_rows(np.stack([np.random.default_rng(seed).standard_normal(DIM) for seed in seeds]), "float16")[0]


def assert_same_table(root: Path, clean: Path, encoder: str = ENCODER) -> None:
    """Every row and every drop once, vectors byte for byte, the ledger closed, and no finished file that no record names."""
    found, wanted = (EmbeddingSet(str(folder), DATASET, encoder) for folder in (root, clean))
    assert np.array_equal(found.image().view(np.uint16), wanted.image().view(np.uint16))
    assert np.array_equal(found.text().view(np.uint16), wanted.text().view(np.uint16))
    columns = ["shard", "ordinal", "key", "caption"]
    assert found.table(columns).equals(wanted.table(columns))
    layouts = RootPaths(str(root)), RootPaths(str(clean))
    drops, wanted_drops = (read_quarantine(layout, DATASET, encoder) for layout in layouts)
    assert drops.equals(wanted_drops)
    records, clean_records = (recorded(layout, DATASET, encoder) for layout in layouts)
    assert [(r.shard, r.rows_in, r.rows_out, r.drops, r.output["sha256"]) for r in records.values()] == [
        (r.shard, r.rows_in, r.rows_out, r.drops, r.output["sha256"]) for r in clean_records.values()
    ]
    published = {path.name for path in root.glob(f"*/{DATASET}/{encoder}/*.parquet") if path.name[0] not in "._"}
    assert published == {name for record in records.values() for name in (record.file, record.quarantine_file) if name}
