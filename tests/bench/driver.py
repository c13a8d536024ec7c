"""The driver alone, at the size of LAION-2B: 230,000 shards on 64 workers that take no time.

Printed: shards a second that the driver expands, dispatches and counts, and with what memory; the same after an interruption; and the
seconds in which nearest, dedupe and analysis of as many recorded shards know what there is to do. Targets: 200 shards a second, 2 GB, a
minute. Run: python tests/bench/driver.py [shards]
"""

import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "support/rows"))

import pytest
from fake_engine import FakeEngine
from many_shards import shard_names, write_matches, write_records

from tda.store.commit.records import Identity

SHARDS = 230_000
MEMORY = Path("/dev/shm")  # noqa: S108 (where Linux keeps files in memory; a folder of our own is made in it)
SHARD_BYTES = 12_000  # what the files of a shard take there
Row = dict[str, Any]


def main(shards: int = SHARDS) -> int:
    rows = [*embedding(shards), *starts(shards)]
    for row in rows:
        rate = f"{row['shards'] / row['seconds']:10,.0f} shards/s" if row["seconds"] else ""
        print(f"{row['what']:34} {row['shards']:>9,} {row['seconds']:8.1f} s {rate:>18} {row['peak_gb']:6.2f} GB")
    print(json.dumps(rows))
    return 0


def measured(what: str, shards: int, work: Callable[[], Any], engine: FakeEngine | None = None) -> Row:
    """`seconds` without those in which this process did the workers' part."""
    began, before = time.perf_counter(), engine.seconds if engine else 0.0
    work()
    peak, workers = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, engine.seconds - before if engine else 0.0
    return {"what": what, "shards": shards, "seconds": time.perf_counter() - began - workers, "peak_gb": peak}


def place(shards: int) -> Path | None:
    """In memory where there is room: a disk takes longer for a million small files than the driver. Else the usual folder."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > shards * SHARD_BYTES
    return MEMORY if roomy else None


def embedding(shards: int) -> list[Row]:
    """A run that is interrupted after two thirds, the run that goes on, and one that finds all done."""
    third = shards // 3
    with tempfile.TemporaryDirectory(dir=place(shards)) as folder, pytest.MonkeyPatch.context() as patch:
        root = Path(folder)
        (root / "in").mkdir()
        for name in shard_names(shards):
            (root / "in" / f"{name}.tar").touch()
        engine = FakeEngine(root / "out", identity(), stop_after=shards - third)
        engine.install(patch)
        rows = [measured("embed, interrupted", shards - third, lambda: embed(root), engine)]
        engine.stop_after = None
        rows.append(measured("embed, resumed", third, lambda: embed(root), engine))
        rows.append(measured("embed, all done before", shards, lambda: embed(root), engine))
        assert engine.embedded == shards, "a shard was done twice"
        return rows


def identity() -> Identity:
    from tda.config.stages import EmbedConfig

    return Identity(encoder="e", weights_sha256="1" * 64, preprocessing={}, dtype=EmbedConfig().dtype)


def embed(root: Path) -> None:
    from jobs.embed import embed_sets
    from tda.config.cluster import ClusterConfig
    from tda.config.datasets import DatasetConfig
    from tda.config.models import EncoderConfig
    from tda.config.stages import EmbedConfig

    dataset, encoder = DatasetConfig(name="d", shards=f"{root}/in/*.tar"), EncoderConfig(name="e")
    try:
        embed_sets(str(root / "out"), [dataset], [encoder], EmbedConfig(max_drop_fraction=1), ClusterConfig())
    except KeyboardInterrupt:
        return


def starts(shards: int) -> list[Row]:
    """What nearest, dedupe and analysis read before their first task."""
    from jobs.analysis.parts import part_hashes
    from jobs.nearest import _cell_plan, _done, _recorded, _settings
    from tda.config.analysis import AnalysisConfig
    from tda.config.datasets import DatasetConfig
    from tda.config.jobs import NearestJob
    from tda.config.models import EncoderConfig
    from tda.store.commit.records import recorded_rows
    from tda.store.datasets.embedding_set import EmbeddingSet
    from tda.store.datasets.nearest import NearestSet
    from tda.store.paths import RootPaths

    with tempfile.TemporaryDirectory(dir=place(shards)) as folder:
        root = Path(folder)
        write_records(root, shards)
        write_matches(root, shards)

        def nearest() -> None:
            job = NearestJob(
                root=folder, dataset=DatasetConfig(name="d"), reference=DatasetConfig(name="d"), encoder=EncoderConfig(name="e")
            )
            rows = EmbeddingSet(folder, "d", "e")
            settings = _settings(job, _cell_plan(folder, job, EmbeddingSet(folder, "d", "e")), rows)
            recorded_rows(RootPaths(folder), "d", "e")
            _done(_recorded(folder, ("d", "e", "r")), settings)

        def dedupe() -> None:
            rows, found = EmbeddingSet(folder, "d", "e"), NearestSet(folder, "d", "e", "r")
            assert rows.digest
            assert found.digest

        def analysis() -> None:
            rows = {"d": EmbeddingSet(folder, "d", "e").content}
            for former in (False, True):
                part_hashes(rows, "d", AnalysisConfig(), former=former)

        named = {"nearest starts": nearest, "dedupe starts": dedupe, "analysis starts": analysis}
        return [measured(name, shards, work) for name, work in named.items()]


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
