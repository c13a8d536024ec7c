"""Cells of an analysis: beside the main result, from one neighbour search, and with the parts that they have in common."""

import json
from pathlib import Path
from typing import Any

import pytest
from recorded_rows import paired_spaces, write_set
from typed import Typed, typed

from jobs.analysis import graph_cache
from tda.store.paths import RootPaths, base_of

PARTS = "analysis.parts=[gap,mixing,clusters]"


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def analyze(root: Path, *words: str) -> Typed:
    small = ["analysis.umap.n_epochs=20", "analysis.clusters.min_cluster_size=5", "analysis.clusters.stability_seeds=1"]
    done = typed("analyze", f"root={root}", "dataset.name=world", *small, *words)
    assert done.returncode == 0, done.stderr
    return done


def tables(root: Path, name: str) -> set[bytes]:
    return {file.read_bytes() for file in root.rglob(f"{name}.parquet")}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> Path:
    """Two encoders, one of them analysed before, and a sweep over both and mixing.k, two cells at once."""
    del ray_cluster
    root = tmp_path_factory.mktemp("swept")
    for seed, encoder in enumerate(("one", "two")):
        write_set(root, "world", *paired_spaces(60, gap=0.5, seed=seed), encoder=encoder)
    analyze(root, "encoder.name=one", PARTS)
    before = {file: file.read_bytes() for file in (root / "analysis").rglob("*.*")}
    analyze(root, "-m", "encoder.name=one,two", "analysis.mixing.k=4,7", PARTS, "sweep.parallel=2")
    assert before.items() <= {file: file.read_bytes() for file in (root / "analysis").rglob("*.*")}.items(), "the main result stays"
    return root


class TestCells:
    def test_each_has_its_own_results(self, swept: Path) -> None:
        found = read(swept / "sweeps/analyze-encoder-k/sweep.json")
        cells = {tuple(cell["values"].values()): cell for cell in found["cells"]}
        assert set(cells) == {(encoder, k) for encoder in ("one", "two") for k in (4, 7)}
        for (encoder, k), cell in cells.items():
            assert cell["root"] == str(swept / "sweeps/analyze-encoder-k" / cell["cell"])
            metrics = read(Path(cell["root"]) / "analysis/world" / encoder / "metrics.json")
            assert (metrics["mixing"]["k"], list(metrics["part_hashes"])) == (k, ["gap", "umap", "mixing", "clusters"])
            assert cell["numbers"]["mixing.ambient"] == metrics["mixing"]["ambient"]
            assert base_of(cell["root"]) == str(swept)

    def test_the_expensive_parts_are_shared(self, swept: Path) -> None:
        graphs = sorted(file.relative_to(swept).as_posix() for file in swept.rglob("_neighbours*"))
        assert graphs == [f"analysis/world/{encoder}/_neighbours_120.parquet" for encoder in ("one", "two")], "one search an encoder"
        assert len(list(swept.rglob("clusters.parquet"))) == 1 + 4
        assert len(tables(swept, "clusters")) == 2, "those of an encoder are copies"

    def test_a_repeat_runs_nothing_and_a_lost_cell_again(self, swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(graph_cache, "knn_graph", lambda *_, **__: pytest.fail("neighbours were searched again"))
        words = ["-m", "encoder.name=one,two", "analysis.mixing.k=4,7", PARTS]
        assert analyze(swept, *words).stdout.splitlines()[-1] == "4 of 4 whole (4 from before)"
        lost = next(swept.glob("sweeps/analyze-encoder-k/*encoder.name=two-k=7/analysis/world/two/metrics.json"))
        before = lost.read_bytes()
        lost.unlink()
        assert analyze(swept, *words).stdout.splitlines()[-1] == "4 of 4 whole (3 from before)"
        assert lost.read_bytes() == before

    def test_encoders_alone_go_to_their_main_place(self, swept: Path) -> None:
        done = analyze(swept, "-m", "encoder.name=one,two", "analysis.parts=[gap]")
        assert done.stdout.splitlines()[-1] == "2 of 2 whole"
        assert (swept / "analysis/world/two/metrics.json").exists()
        found = read(swept / "sweeps/analyze-encoder/sweep.json")
        assert [cell["root"] for cell in found["cells"]] == [None, None]
        other = analyze(swept, "encoder.name=two", "analysis.parts=[gap,cosine]", "analysis.cosine.bins=9")
        assert other.returncode == 0
        again = analyze(swept, "-m", "encoder.name=one,two", "analysis.parts=[gap]")
        assert again.stdout.splitlines()[-1] == "2 of 2 whole (1 from before)", "the main result is another since"


class TestOneRoot:
    def test_asking_for_one_part_deletes_no_other(self, swept: Path) -> None:
        folder = swept / "analysis/world/one"
        before = read(folder / "metrics.json")
        labels = (folder / "clusters.parquet").read_bytes()
        analyze(swept, "encoder.name=one", "analysis.parts=[mixing]", "analysis.mixing.k=9")
        found = read(folder / "metrics.json")
        assert (found["mixing"]["k"], before["mixing"]["k"]) == (9, 15)
        for part in ("gap", "clusters"):
            assert (found[part], found["part_hashes"][part]) == (before[part], before["part_hashes"][part])
        assert (folder / "clusters.parquet").read_bytes() == labels
        analyze(swept, "encoder.name=one", "analysis.parts=[gap]", "analysis.seed=4")
        assert list(read(folder / "metrics.json")["part_hashes"]) == ["gap", "umap", "mixing", "clusters"]
        analyze(swept, "encoder.name=one", PARTS, "analysis.mixing.k=9")
        assert (folder / "clusters.parquet").read_bytes() == labels, "they are still those of these settings"

    def test_a_cell_is_a_root_for_its_results_alone(self) -> None:
        cell = RootPaths("s3://b/r/sweeps/s/0123abcd-k=4")
        assert cell.metrics("d", "e") == "s3://b/r/sweeps/s/0123abcd-k=4/analysis/d/e/metrics.json"
        assert cell.nearest_dir("d", "e", "r").startswith("s3://b/r/sweeps/")
        assert cell.embedding("d", "e", "0") == "s3://b/r/embeddings/d/e/0.parquet"
        assert cell.dedupe_dir("d", "e", "r@both-0.9") == "s3://b/r/dedupe/d/e/r/views/both-0.9"
        assert cell.dedupe_dir("d", "e", "r@v2") == "s3://b/r/dedupe/d/e/r@v2", "a name may have an @ of its own"
        own = RootPaths("/r/sweeps/s/0123abcd@dtype=float32")
        assert own.embedding("d", "e", "0").startswith(own.root)
