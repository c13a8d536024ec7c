"""Existing embeddings into the store: whole, resumable, and refused in one line where they cannot be."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_rows import unit
from typed import typed

from jobs import ingest
from jobs.ingest import run
from tda.config.datasets import DatasetConfig
from tda.config.jobs import IngestJob
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig
from tda.errors import UserError
from tda.store import EmbeddingSet
from tda.store.commit.quarantine import read_quarantine
from tda.store.commit.records import recorded
from tda.store.paths import RootPaths
from tda.store.types import Source

N = 1_000


def job(root: Path, source: Path | str, **fields: Any) -> IngestJob:
    names = {"dataset": DatasetConfig(name="coco"), "encoder": EncoderConfig(name="clip")}
    return IngestJob(**{"root": str(root), "source": str(source), "rows_per_shard": 300, **names, **fields})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    np.savez(tmp_path / "x.npz", image=unit(N, dtype="float32"), text=unit(N, seed=1, dtype="float32"))
    return tmp_path / "x.npz"


def words(root: Path, source: Path | str, *overrides: str) -> list[str]:
    return ["dataset.name=coco", "encoder.name=clip", f"source={source}", f"root={root}", *overrides]


def changed(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def test_real_vectors_keep_their_numbers(tmp_path: Path, shared_data: Path) -> None:
    outcome = run(job(tmp_path, shared_data / "clip_vitb16_coco500.npz", rows_per_shard=200))
    assert outcome.whole
    assert "500 pairs of coco by clip in 3 shards" in outcome.line
    assert (outcome.places, outcome.numbers) == ([str(tmp_path / "embeddings/coco/clip")], {"pairs": 500, "drop_fraction": 0})
    embeddings = EmbeddingSet(str(tmp_path), "coco", "clip")
    image_ND, text_ND = embeddings.image().astype(np.float64), embeddings.text().astype(np.float64)
    expected = json.loads((shared_data / "expected.json").read_text())["expected"]["clip_vitb16_coco500"]
    assert (image_ND * text_ND).sum(1).mean() == pytest.approx(expected["pair_cosine_mean"], abs=1e-6)
    assert np.linalg.norm(image_ND.mean(0) - text_ND.mean(0)) == pytest.approx(expected["gap_norm"], abs=1e-6)
    assert embeddings.meta["weights_sha256"].startswith("source:")


def test_a_second_run_does_nothing_and_a_broken_one_is_finished(tmp_path: Path, source: Path) -> None:
    root = tmp_path / "root"
    assert run(job(root, source)).line == "ingest: 1000 pairs of coco by clip in 4 shards (4 new), 0 dropped"
    before = changed(root)
    assert "(0 new)" in run(job(root, source)).line
    assert changed(root) == before
    for shard in ("00001", "00003"):
        Path(RootPaths(str(root)).record("coco", "clip", shard)).unlink()
    Path(RootPaths(str(root)).embedding("coco", "clip", "00001")).write_bytes(b"PAR1 half")
    assert "(2 new)" in run(job(root, source)).line
    after = changed(root)
    assert {name for name in before if before[name] != after.get(name)} == {
        f"embeddings/coco/clip/{name}" for name in ("00001.parquet", "_records/00001.json", "_records/00003.json")
    }
    assert len(after) == len(before), "what is not ours has made way for a file that its record names"
    assert np.allclose(EmbeddingSet(str(root), "coco", "clip").text(), unit(N, seed=1, dtype="float32"), atol=1e-6)


def test_rows_without_a_direction_are_listed_and_decide_the_outcome(tmp_path: Path) -> None:
    image_ND, text_ND = unit(N, dtype="float32"), unit(N, seed=1, dtype="float32")
    image_ND[5], image_ND[299], text_ND[300] = np.nan, 0, np.inf
    np.savez(tmp_path / "x.npz", image=image_ND, text=text_ND)
    outcome = run(job(tmp_path, tmp_path / "x.npz"))
    assert outcome.whole
    assert "997 pairs" in outcome.line
    assert "3 dropped" in outcome.line
    listed = read_quarantine(RootPaths(str(tmp_path)), "coco", "clip").to_pylist()
    assert [(row["shard"], row["ordinal"], row["key"], row["reason"], row["detail"]) for row in listed] == [
        ("00000", 5, "000000005", "not_finite", "image"),
        ("00000", 299, "000000299", "zero_vector", "image"),
        ("00001", 0, "000000300", "not_finite", "text"),
    ]
    for record in recorded(RootPaths(str(tmp_path)), "coco", "clip").values():
        assert record.rows_in == record.rows_out + sum(record.drops.values())
    strict = run(job(tmp_path, tmp_path / "x.npz", embed=EmbedConfig(dtype="float32", max_drop_fraction=0.001)))
    assert not strict.whole
    assert "more than embed.max_drop_fraction=0.001" in strict.line


def test_captions_and_keys_come_along(tmp_path: Path) -> None:
    columns = {
        "image": list(unit(N)),
        "text": list(unit(N, seed=1)),
        "caption": [f"<b>{i}" for i in range(N)],
        "key": list(map(str, range(N))),
    }
    pq.write_table(pa.table({**columns, "url": ["u"] * N, "width": [640] * N}), tmp_path / "x.parquet", row_group_size=128)
    run(job(tmp_path / "root", tmp_path / "x.parquet", embed=EmbedConfig(dtype="float16")))
    embeddings = EmbeddingSet(str(tmp_path / "root"), "coco", "clip")
    assert embeddings.dtype == "float16"
    assert embeddings.captions() == columns["caption"]
    table = embeddings.table(["key", "url", "width", "height"])
    assert table["key"].to_pylist() == columns["key"]
    assert table.slice(999).to_pylist() == [{"key": "999", "url": "u", "width": 640, "height": None}]


def test_a_root_on_an_object_store(tmp_path: Path, source: Path) -> None:
    root = f"memory://{tmp_path.name}-ingest"
    assert run(job(root, source)).whole  # type: ignore[arg-type]
    assert "(0 new)" in run(job(root, source)).line  # type: ignore[arg-type]
    assert np.allclose(EmbeddingSet(root, "coco", "clip").image(), unit(N, dtype="float32"), atol=1e-6)


def test_other_content_under_the_same_names_is_refused(tmp_path: Path, source: Path) -> None:
    run(job(tmp_path / "root", source))
    np.savez(tmp_path / "y.npz", image=unit(N, seed=5), text=unit(N, seed=6))
    for other in (job(tmp_path / "root", tmp_path / "y.npz"), job(tmp_path / "root", source, rows_per_shard=200)):
        with pytest.raises(UserError, match=r"holds vectors of config [0-9a-f]{64}, not of [0-9a-f]{64}"):
            run(other)
    source.rename(tmp_path / "moved.npz")
    assert "(0 new)" in run(job(tmp_path / "root", tmp_path / "moved.npz")).line


def test_rows_that_were_never_normalised(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", image=10 * unit(N, dtype="float32"), text=unit(N, seed=1, dtype="float32"))
    with pytest.raises(UserError, match=r"norms from 10 to 10.*normalise=true"):
        run(job(tmp_path / "root", tmp_path / "x.npz"))
    assert recorded(RootPaths(str(tmp_path / "root")), "coco", "clip") == {}
    assert run(job(tmp_path / "root", tmp_path / "x.npz", normalise=True)).whole


def test_a_bad_name_and_a_bad_size_are_refused() -> None:
    with pytest.raises(UserError, match=r"dataset\.name='a/b'"):
        run(job(Path("root"), "x.npz", dataset=DatasetConfig(name="a/b")))
    with pytest.raises(UserError, match="rows_per_shard=0"):
        job(Path("root"), "x.npz", rows_per_shard=0)


def test_the_command_prints_one_line_and_its_status(tmp_path: Path, source: Path) -> None:
    done = typed("ingest", *words(tmp_path / "root", source))
    assert (done.returncode, done.stdout) == (0, "ingest: 1000 pairs of coco by clip in 1 shards (1 new), 0 dropped\n")
    wrong = typed("ingest", *words(tmp_path / "root", tmp_path / "none.npz"))
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == f"lacuna ingest: source={tmp_path / 'none.npz'} is not there\n"


def test_killed_half_way_the_same_command_gives_the_table_of_an_unbroken_run(tmp_path: Path) -> None:
    image_ND, text_ND = unit(40_000, dim=32, dtype="float32"), unit(40_000, dim=32, seed=1, dtype="float32")
    np.savez(tmp_path / "x.npz", image=image_ND, text=text_ND)
    given = words(tmp_path / "root", tmp_path / "x.npz", "rows_per_shard=500")
    records = tmp_path / "root/embeddings/coco/clip/_records"
    with subprocess.Popen([sys.executable, "-m", "jobs.ingest", *given], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (records.is_dir() and len(list(records.glob("0*.json"))) > 5):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = {name: time for name, time in changed(tmp_path / "root").items() if "_records/0" in name}
    assert 5 < len(before) < 80
    assert typed("ingest", *given).returncode == 0
    after = changed(tmp_path / "root")
    assert all(after[name] == time for name, time in before.items()), "what was recorded is not done again"
    run(job(tmp_path / "clean", tmp_path / "x.npz", rows_per_shard=500))
    for path in (tmp_path / "clean/embeddings/coco/clip").glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "root/embeddings/coco/clip" / path.name).read_bytes()


def files_of(folder: Path, counts: tuple[int, ...] = (410, 1, 330, 259)) -> Path:
    """Parquet files of unequal lengths."""
    folder.mkdir()
    for number, (count, start) in enumerate(zip(counts, np.cumsum((0, *counts)), strict=False)):
        rows = {name: list(unit(N, seed=seed, dtype="float32")[start : start + count]) for seed, name in enumerate(("image", "text"))}
        pq.write_table(pa.table({**rows, "caption": [f"row {start + i}" for i in range(count)]}), folder / f"{number}.parquet")
    return folder


def tables(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "embeddings/coco/clip").glob("*.parquet"))}


@pytest.mark.usefixtures("ray_cluster")
def test_shards_of_a_large_source_are_tasks_and_their_bytes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = files_of(tmp_path / "files")
    one, many = tmp_path / "one", tmp_path / "many"
    assert run(job(one, files)).whole
    monkeypatch.setattr(ingest, "ALONE", 0)
    started, real = list[str](), ingest.ordered
    monkeypatch.setattr(
        ingest, "ordered", lambda task, calls, cluster: real(task, (started.append(call[1]) or call for call in calls), cluster)
    )  # type: ignore[func-returns-value]
    assert "1000 pairs of coco by clip in 4 shards (4 new)" in run(job(many, files)).line
    assert tables(many) == tables(one)
    assert started == ["00000", "00001", "00002", "00003"]
    for name in ("00001", "00003"):
        Path(RootPaths(str(many)).record("coco", "clip", name)).unlink()
    assert "4 shards (2 new)" in run(job(many, files)).line
    assert started[4:] == ["00001", "00003"]
    assert tables(many) == tables(one)
    assert run(job(tmp_path / "npz", _npz(tmp_path))).whole
    assert len(started) == 6, "what is before a row of an .npz has to be unpacked: one process reads it"


def _npz(folder: Path) -> Path:
    np.savez(folder / "x.npz", image=unit(N, dtype="float32"), text=unit(N, seed=1, dtype="float32"))
    return folder / "x.npz"


@pytest.mark.usefixtures("ray_cluster")
def test_a_fault_in_a_task_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = files_of(tmp_path / "files")
    table = pq.read_table(files / "2.parquet")
    pq.write_table(table.set_column(1, "text", pa.array([[2.0] * len(table["text"][0])] * len(table))), files / "2.parquet")
    monkeypatch.setattr(ingest, "ALONE", 0)
    with pytest.raises(UserError, match="normalise"):
        run(job(tmp_path / "root", files))


def test_a_source_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    files = files_of(tmp_path / "files")
    identity = ingest._identity(job(tmp_path / "root", files), ingest.open_job_source(job(tmp_path / "root", files)), "0")
    plan = ingest.IngestPlan(job=job(tmp_path / "root", files), identity=identity, origin=Source(str(files), 1, "0"), rows=N - 1)
    with pytest.raises(UserError, match="has 1000 rows now, it had 999: run again"):
        ingest.ingest_shard(plan, "00000")
