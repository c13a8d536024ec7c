"""`jobs.dedupe` on planted repeats: what goes and why, what is done again and what is not, and refusals."""

import json
import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from repeated_rows import DIM, PLANTED, N, dedupe_job, drawn, gone, join_exactly, plant_world, side, summary_of, towards, write_set
from typed import typed

from jobs.analyze import run as analyze
from jobs.dedup import exact_matches as exact
from jobs.dedupe import dedupe, run
from jobs.nearest import run as nearest
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob, NearestJob
from tda.config.models import EncoderConfig
from tda.config.stages import DedupeConfig, NearestConfig
from tda.errors import LacunaError, ShardError, UserError
from tda.store import EmbeddingSet
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.views import View
from tda.store.paths import RootPaths
from tda.store.verify.root import check_derived

VIEW = View("d", "r")

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    plant_world(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "rows", "dropped"),
    [
        ({}, {2, 11, 13, 17, 23}, {"url": 2, "caption": 1, "image": 2}),
        ({"exact": []}, {2, 11, 23}, {"image": 3}),
        ({"rule": "text"}, {5, 11, 13, 17, 23}, {"url": 2, "caption": 1, "text": 2}),
        ({"rule": "both"}, {11, 13, 17, 23}, {"url": 2, "caption": 1, "image and text": 1}),
        ({"rule": "either"}, {2, 5, 11, 13, 17, 23}, {"url": 2, "caption": 1, "image": 1, "text": 1, "image and text": 1}),
        (
            {"rule": "either", "exact": ["url"], "threshold": 0.89},
            {2, 5, 11, 13, 19, 23},
            {"url": 2, "image": 1, "text": 1, "image and text": 2},
        ),
        ({"rule": "both", "exact": [], "image_threshold": 0.98}, {23}, {"image and text": 1}),
        ({"exact": [], "threshold": 1.0}, set(), {}),
    ],
)
def test_what_goes_and_why(root: Path, settings: dict[str, Any], rows: set[int], dropped: dict[str, int]) -> None:
    outcome = run(dedupe_job(root, **settings))
    assert outcome.whole
    assert outcome.line.startswith(f"d-minus-r / e: {N - len(rows)} of {N} pairs kept, {len(rows)} dropped")
    assert gone(root) == rows
    assert [Path(place, "summary.json").exists() for place in outcome.places or ()] == [True]
    summary = summary_of(root)
    assert summary["dropped"] == dropped
    assert (summary["rows"], summary["rows_kept"]) == (N, N - len(rows))
    assert summary["matched"]["url"] == (0 if settings.get("exact") == [] else 2)


def test_a_row_at_the_threshold_goes(root: Path) -> None:
    cosine = float(NearestSet(str(root), "d", "e", "r").cosines("image")[19])
    run(dedupe_job(root, exact=[], threshold=cosine))
    assert 19 in gone(root)
    dedupe(dedupe_job(root, exact=[], threshold=float(np.nextafter(np.float32(cosine), np.float32(1)))), VIEW)
    assert 19 not in gone(root)


def test_another_threshold_looks_nothing_up_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(dedupe_job(root))
    before = EmbeddingSet(str(root), "d-minus-r", "e").digest
    monkeypatch.setattr(exact, "ensure_hashes", lambda *_: pytest.fail("hashes were looked up again"))
    monkeypatch.setattr(EmbeddingSet, "_vectors", lambda *_: pytest.fail("vectors were read"))
    assert run(dedupe_job(root, threshold=0.5)).line.startswith("d-minus-r@image-0.5 / e: ")
    assert gone(root, reference="r@image-0.5") == {2, 11, 13, 17, 19, 23}
    assert EmbeddingSet(str(root), "d-minus-r@image-0.5", "e").digest != before
    assert EmbeddingSet(str(root), "d-minus-r", "e").digest == before, "results of other thresholds stand beside each other"
    run(dedupe_job(root))
    assert EmbeddingSet(str(root), "d-minus-r", "e").digest == before


def test_other_rules_and_thresholds_stand_beside_the_first(root: Path) -> None:
    lines = [run(dedupe_job(root, **settings)).line for settings in ({"threshold": 0.9}, {"rule": "both"}, {}, {"exact": [], "self": True})]
    names = ["d-minus-r", "d-minus-r@both-0.95", "d-minus-r@image-0.95", "d-minus-r@image-0.95-exact.none-self"]
    assert [line.partition(" / ")[0] for line in lines] == names
    folder = root / "dedupe/d/e/r"
    assert sorted(path.name for path in (folder / "views").iterdir()) == [name.partition("@")[2] for name in names[1:]]
    assert {path.name for path in (folder / "views/both-0.95").iterdir()} == {"kept.parquet", "summary.json"}
    first, named = (EmbeddingSet(str(root), name, "e") for name in ("d-minus-r", "d-minus-r@image-0.9"))
    assert first.digest == named.digest, "the label of the first finds it as well"
    again = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert [run(dedupe_job(root, threshold=0.9)).line, run(dedupe_job(root)).line] == [lines[0], lines[2]]
    assert again == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert [line for line in check_derived(RootPaths(str(root))) if "/dedupe/" in line] == []
    kept = folder / "views/both-0.95/kept.parquet"
    kept.write_bytes(kept.read_bytes()[:-1] + b"!")
    assert [line for line in check_derived(RootPaths(str(root))) if str(kept) in line], "a damaged view is named"
    command = "reference.name=r encoder.name=e root=.* dedupe.rule=text dedupe.threshold=0.8$"
    with pytest.raises(UserError, match=rf"d-minus-r@text-0.8 is not made yet for encoder.name=e: .*{command}"):
        EmbeddingSet(str(root), "d-minus-r@text-0.8", "e")


def test_run_again_touches_nothing(root: Path) -> None:
    line = run(dedupe_job(root)).line
    stamps = {path: path.stat().st_mtime_ns for path in (root / "dedupe").rglob("*")}
    assert run(dedupe_job(root)).line == line
    assert stamps == {path: path.stat().st_mtime_ns for path in (root / "dedupe").rglob("*")}


def test_killed_between_rows_and_summary_is_made_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tda.store import update

    run(dedupe_job(root))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(update, "publish_bytes", killed)
        with pytest.raises(KeyboardInterrupt):
            dedupe(dedupe_job(root, threshold=0.5), VIEW)
    with pytest.raises(UserError, match=r"does not match its summary.json"):
        EmbeddingSet(str(root), "d-minus-r", "e").image()
    dedupe(dedupe_job(root, threshold=0.5), VIEW)
    assert gone(root) == {2, 11, 13, 17, 19, 23}


def test_one_encoder_decides_for_all(root: Path) -> None:
    """Another encoder sees other repeats, and has not embedded every pair; given whose cosines decide, it keeps the same pairs."""
    rng = np.random.default_rng(5)
    image_ND, reference_MD = drawn(N, 50), drawn(60, 51)
    image_ND[30] = towards(reference_MD[3], 0.99, rng)
    write_set(root, "r", (reference_MD, reference_MD), side(60, "r"), encoder="other")
    write_set(root, "d", (image_ND, image_ND), side(N, "d"), encoder="other", sizes=(10, 12, 18))
    join_exactly(root, "d", "r", encoder="other")
    run(dedupe_job(root, encoder="other"))
    assert gone(root, encoder="other") == {30}
    line = run(dedupe_job(root, encoder="other", by="e")).line
    assert line.startswith(f"d-minus-r / other (decided by e): {N - 5} of {N} pairs kept")
    run(dedupe_job(root, encoder="e", by="e"))
    assert gone(root, encoder="other") == gone(root) == {2, 11, 13, 17, 23}


def test_a_pair_that_the_deciding_encoder_has_not_embedded_is_not_kept(root: Path) -> None:
    write_set(root, "d", (drawn(N + 6, 50), drawn(N + 6, 51)), side(N + 6, "d"), encoder="wider", sizes=(10, 14, 22))
    run(dedupe_job(root, encoder="wider", by="e"))
    summary = summary_of(root, encoder="wider")
    assert summary["dropped"]["unmeasured"] == 2 + 4
    kept = EmbeddingSet(str(root), "d-minus-r", "wider").table(["shard", "ordinal"]).to_pylist()
    run(dedupe_job(root))
    assert kept == EmbeddingSet(str(root), "d-minus-r", "e").table(["shard", "ordinal"]).to_pylist()


def test_a_view_is_deduped_again(root: Path) -> None:
    run(dedupe_job(root, exact=[]))
    run(dedupe_job(root, "d-minus-r", exact=[], rule="text"))
    base = EmbeddingSet(str(root), "d", "e").captions()
    kept = EmbeddingSet(str(root), "d-minus-r-minus-r", "e").captions()
    assert [row for row in range(N) if base[row] not in kept] == [2, 5, 11, 23]


@pytest.mark.usefixtures("ray_cluster")
def test_the_view_is_analysed_as_a_set_of_those_rows_and_again_when_they_change(root: Path) -> None:
    parts = {"parts": ["gap", "cosine", "retrieval", "spectrum"]}

    def measured(dataset: str) -> dict[str, Any]:
        names = {"dataset": DatasetConfig(name=dataset), "encoder": EncoderConfig(name="e")}
        assert analyze(AnalyzeJob(root=str(root), **names, analysis=AnalysisConfig(**parts), cluster=ClusterConfig())).whole
        found: dict[str, Any] = json.loads((root / f"analysis/{dataset}/e/metrics.json").read_text())
        return found

    run(dedupe_job(root))
    view = EmbeddingSet(str(root), "d-minus-r", "e")
    write_set(root, "copy", (view.image(), view.text()), side(len(view), "c"))
    found, wanted = measured("d-minus-r"), measured("copy")
    assert found["pairs"] == len(view)
    for part in parts["parts"]:
        assert found[part] == wanted[part]
    dedupe(dedupe_job(root, threshold=0.5), VIEW)
    assert measured("d-minus-r")["pairs"] == len(view) - 1


@pytest.mark.usefixtures("ray_cluster")
def test_the_closest_rows_of_a_view_are_those_of_its_base(root: Path) -> None:
    run(dedupe_job(root))
    sides = {"dataset": DatasetConfig(name="d-minus-r"), "reference": DatasetConfig(name="r"), "encoder": EncoderConfig(name="e")}
    before = NearestSet(str(root), "d-minus-r", "e", "r").cosines("image")
    assert nearest(NearestJob(root=str(root), nearest=NearestConfig(), cluster=ClusterConfig(), **sides)).whole
    assert sorted(path.name for path in (root / "nearest").iterdir() if path.name[0] != "_") == ["d"]
    np.testing.assert_allclose(NearestSet(str(root), "d-minus-r", "e", "r").cosines("image"), before, atol=1e-6)
    sides |= {"dataset": DatasetConfig(name="r"), "reference": DatasetConfig(name="d-minus-r")}
    with pytest.raises(UserError, match=r"reference.name=d-minus-r is a view of d, which is grouped by cell whole: give reference.name=d$"):
        nearest(NearestJob(root=str(root), nearest=NearestConfig(), cluster=ClusterConfig(), **sides))


class TestRefusals:
    def test_nothing_there(self, root: Path) -> None:
        with pytest.raises(UserError, match=r"holds no embeddings of dataset.name=moon"):
            run(dedupe_job(root, "moon"))
        with pytest.raises(UserError, match=r"holds no embeddings of .*encoder.name=nobody"):
            run(dedupe_job(root, by="nobody"))

    def test_no_closest_rows(self, root: Path) -> None:
        write_set(root, "q", (drawn(5, 0), drawn(5, 1)), side(5, "q"))
        with pytest.raises(UserError, match=r"python -m jobs.nearest dataset.name=q reference.name=r encoder.name=e"):
            run(dedupe_job(root, "q"))

    def test_stale_ones(self, root: Path) -> None:
        write_set(root, "d", (drawn(N, 9), drawn(N, 8)), side(N, "d"), sizes=(10, 12, 18))
        with pytest.raises(ShardError, match=r"stale"):
            run(dedupe_job(root))

    def test_another_reference_than_was_searched(self, root: Path) -> None:
        write_set(root, "r", (drawn(60, 9), drawn(60, 8)), side(60, "r"), sizes=(25, 35))
        with pytest.raises(LacunaError, match=r"jobs.nearest"):
            run(dedupe_job(root))

    def test_an_empty_data_set(self, root: Path) -> None:
        write_set(root, "none", (np.empty((0, DIM)), np.empty((0, DIM))), side(0, "none"))
        with pytest.raises(UserError, match=r"dataset.name=none has no pairs by encoder.name=e"):
            run(dedupe_job(root, "none"))

    def test_a_set_less_itself(self, root: Path) -> None:
        with pytest.raises(UserError, match=r"is the data set itself: dedupe.self=true"):
            run(dedupe_job(root, "d", "d"))

    def test_a_reference_whose_embeddings_are_gone_still_has_cosines(self, root: Path) -> None:
        (root / "embeddings/r").rename(root / "elsewhere")
        with pytest.raises(UserError, match=r"no embeddings of dataset.name=r .*; dedupe.exact=\[\] uses cosines alone"):
            run(dedupe_job(root))
        run(dedupe_job(root, exact=[]))
        assert gone(root) == {2, 11, 23}

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"threshold": 1.5}, "dedupe.threshold=1.5 is out of range; it must be from -1 to 1"),
            ({"text_threshold": -2.0}, "dedupe.text_threshold=-2.0 is out of range"),
            ({"rule": "most"}, "dedupe.rule='most' is unknown; choose one of: image, text, both, either"),
            ({"exact": ["phash"]}, "dedupe.exact='phash' is unknown; choose one of: url, caption"),
        ],
    )
    def test_settings_that_mean_nothing(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(UserError) as refused:
            DedupeConfig(**settings)
        assert message in str(refused.value)


def test_as_it_is_typed(root: Path) -> None:
    words = ["dataset.name=d", "reference.name=r", "encoder.name=e", f"root={root}"]
    done = typed("dedupe", *words, "dedupe.rule=either", "dedupe.threshold=0.89", cwd=root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"d-minus-r / e: {N - len(PLANTED)} of {N} pairs kept, {len(PLANTED)} dropped (")
    done = typed("dedupe", *words, "dedupe.threshold=95", cwd=root)
    reported = "lacuna dedupe: dedupe.threshold=95.0 is out of range; it must be from -1 to 1\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", reported)


def test_a_root_that_goes_while_it_runs_is_no_success(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jobs.dedupe

    real = jobs.dedupe._decide

    def and_the_root_goes(*args: Any) -> Any:
        found = real(*args)
        shutil.rmtree(root)
        return found

    monkeypatch.setattr(jobs.dedupe, "_decide", and_the_root_goes)
    with pytest.raises(UserError, match=r"holds no embeddings of dataset\.name=d"):
        run(dedupe_job(root))
    assert not (root / "dedupe").exists()


def test_two_thresholds_at_once_leave_rows_and_summary_of_one(root: Path) -> None:
    for _ in range(3):
        running = [SPAWN.Process(target=run, args=(dedupe_job(root, exact=[], threshold=one),)) for one in (0.5, 0.98)]
        for process in running:
            process.start()
        for process in running:
            process.join(120)
        assert [process.exitcode for process in running] == [0, 0]
        summary = summary_of(root)
        assert len(EmbeddingSet(str(root), "d-minus-r", "e").image()) == summary["rows_kept"]
        assert len(gone(root)) == N - summary["rows_kept"]
