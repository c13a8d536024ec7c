"""The decision on a large set by tasks: the same rows, reasons and counts as in one process, in parts that a killed run takes over."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from repeated_rows import N, dedupe_job, drawn, gone, join_exactly, plant_world, side, summary_of, towards, write_set

from jobs import dedupe as job
from jobs.dedup import by_shard
from jobs.dedup.by_shard import spans
from jobs.dedupe import run
from tda.errors import LacunaError, UserError
from tda.store import EmbeddingSet
from tda.store.datasets.views import View
from tda.store.paths import RootPaths
from tda.store.verify.root import check_derived

SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"exact": []},
    {"rule": "text"},
    {"rule": "both"},
    {"rule": "either", "exact": ["url"], "threshold": 0.89},
    {"rule": "text", "exact": []},
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    plant_world(tmp_path)
    return tmp_path


def _in_this_process(patch: pytest.MonkeyPatch) -> None:
    """Runs of at most 22 rows, so two of d's three shards and one, as calls in this process."""
    patch.setattr(job, "SPAN_ROWS", 22)
    patch.setattr(by_shard, "ordered", lambda task, calls, _: (task(*call) for call in calls))
    patch.setattr(by_shard, "start", lambda task, *arguments, cluster: (task, arguments, cluster)[:2])
    patch.setattr(by_shard, "result", lambda pending: pending[0](*pending[1]))
    patch.setattr(job, "ray_session", lambda _: nullcontext())


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    _in_this_process(monkeypatch)


def test_runs_hold_shards_up_to_so_many_rows() -> None:
    assert spans([10, 12, 18], 22) == [(0, 2), (2, 3)]
    assert spans([30, 0, 5, 18, 40], 22) == [(0, 1), (1, 3), (3, 4), (4, 5)]
    assert spans([7], 1) == [(0, 1)]
    rows = np.random.default_rng(0).integers(0, 9, 50).tolist()
    found = spans(rows, 12)
    assert [index for span in found for index in range(*span)] == list(range(50))
    assert all(sum(rows[first:stop]) <= 12 for first, stop in found)


def result_of(root: Path, **names: str) -> dict[str, Any]:
    """What the summary says of rows."""
    return {name: summary_of(root, **names)[name] for name in ("rows", "rows_kept", "dropped", "matched", "kept_per_shard", "content")}


@pytest.mark.parametrize("settings", SETTINGS)
def test_it_is_the_decision_of_one_process(root: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]) -> None:
    first = run(dedupe_job(root, **settings)).line
    rows, summary, digest = gone(root), result_of(root), EmbeddingSet(str(root), "d-minus-r", "e").digest
    (root / "dedupe/d/e/r/summary.json").unlink()
    with monkeypatch.context() as patch:
        _in_this_process(patch)
        assert run(dedupe_job(root, **settings)).line == first
    assert (gone(root), result_of(root), EmbeddingSet(str(root), "d-minus-r", "e").digest) == (rows, summary, digest)
    names = {path.name for path in (root / "dedupe/d/e/r").iterdir() if path.name.startswith("kept")}
    assert names == {f"kept-{first:06d}-{summary['content'][:12]}.parquet" for first in (0, 2)}
    assert [line for line in check_derived(RootPaths(str(root))) if "/dedupe/" in line] == []


def test_texts_that_are_nowhere_known_count_and_some_that_are_not_known_do_not(root: Path, here: None) -> None:
    del here
    for blank in (range(N), range(11)):
        view, texts = EmbeddingSet(str(root), "d", "e"), side(N, "d")
        texts["captions"] = ["" if row in blank else caption for row, caption in enumerate(texts["captions"])]
        write_set(root, "d", (view.image(), view.text()), texts, sizes=(10, 12, 18))
        join_exactly(root, "d", "r")
        run(dedupe_job(root, rule="text", exact=[]))
        assert gone(root) == ({5, 11, 23} if len(blank) == N else {11, 23})


def test_another_encoder_decides(root: Path, here: None) -> None:
    del here
    image_ND, reference_MD = drawn(N + 6, 50), drawn(60, 51)
    image_ND[30] = towards(reference_MD[3], 0.99, np.random.default_rng(5))
    write_set(root, "r", (reference_MD, reference_MD), side(60, "r"), encoder="wider")
    write_set(root, "d", (image_ND, image_ND), side(N + 6, "d"), encoder="wider", sizes=(10, 14, 22))
    run(dedupe_job(root, encoder="wider", by="e"))
    summary = summary_of(root, encoder="wider")
    assert summary["dropped"]["unmeasured"] == 2 + 4
    run(dedupe_job(root))
    assert summary["matched"] == summary_of(root)["matched"]
    kept = EmbeddingSet(str(root), "d-minus-r", "wider").table(["shard", "ordinal"]).to_pylist()
    assert kept == EmbeddingSet(str(root), "d-minus-r", "e").table(["shard", "ordinal"]).to_pylist()


def test_what_is_decided_is_not_decided_again(root: Path, here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    del here
    decided, real = list[tuple[int, int]](), by_shard.publish_part

    def publish(folder: str, content: str, span: tuple[int, int], *rest: Any) -> Any:
        if span == die_at:
            raise KeyboardInterrupt
        decided.append(span)
        return real(folder, content, span, *rest)

    monkeypatch.setattr(by_shard, "publish_part", publish)
    die_at: tuple[int, int] | None = (2, 3)
    with pytest.raises(KeyboardInterrupt):
        run(dedupe_job(root))
    with pytest.raises(UserError, match="is not made yet"):
        EmbeddingSet(str(root), "d-minus-r", "e")
    die_at = None
    line = run(dedupe_job(root)).line
    assert decided == [(0, 2), (2, 3)], "the first part was taken over"
    assert gone(root) == {2, 11, 13, 17, 23}
    stamps = {path: path.stat().st_mtime_ns for path in (root / "dedupe").rglob("*")}
    assert run(dedupe_job(root)).line == line
    assert stamps == {path: path.stat().st_mtime_ns for path in (root / "dedupe").rglob("*")}
    flags = sorted(path.stat().st_mtime_ns for path in (root / "dedupe/d/e/r").glob("exact-*"))
    job.dedupe(dedupe_job(root, threshold=0.5), View("d", "r"))
    assert gone(root) == {2, 11, 13, 17, 19, 23}
    assert len(list((root / "dedupe/d/e/r").glob("kept-*"))) == 2, "the parts of the former view are gone"
    assert sorted(path.stat().st_mtime_ns for path in (root / "dedupe/d/e/r").glob("exact-*")) == flags, "flags serve every threshold"


def test_a_part_that_is_damaged_is_named_and_made_again(root: Path, here: None) -> None:
    del here
    run(dedupe_job(root))
    part = sorted((root / "dedupe/d/e/r").glob("kept-*"))[1]
    part.write_bytes(part.read_bytes()[:-40])
    with pytest.raises(UserError, match=rf"{part.name} cannot be read .*make it again: python -m jobs.dedupe"):
        EmbeddingSet(str(root), "d-minus-r", "e").image()
    assert any(part.name in line for line in check_derived(RootPaths(str(root))))
    assert run(dedupe_job(root)).whole
    assert gone(root) == {2, 11, 13, 17, 23}


def test_rows_that_are_replaced_meanwhile_end_it(root: Path, here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    del here
    real = by_shard.flag_span

    def flag(*given: Any) -> bool:
        found = real(*given)
        view = EmbeddingSet(str(root), "d", "e")
        write_set(root, "d", (view.image()[::-1], view.text()), side(N, "d"), sizes=(10, 12, 18))
        join_exactly(root, "d", "r")
        by_shard._deciders.clear()
        return found

    monkeypatch.setattr(by_shard, "flag_span", flag)
    with pytest.raises(LacunaError, match="replaced meanwhile: run again"):
        run(dedupe_job(root))


@pytest.mark.usefixtures("ray_cluster")
def test_tasks_of_ray_do_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "SPAN_ROWS", 22)
    assert run(dedupe_job(root, rule="either")).whole
    assert gone(root) == {2, 5, 11, 13, 17, 23}
    assert len(summary_of(root)["parts"]) == 2
