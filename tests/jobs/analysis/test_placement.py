"""Every row of every shard placed and labelled: aligned files, what is done again and what is not, the same bytes however it is cut."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from measured_topics import folder_of, measured, metrics_of, table_of, topics
from recorded_rows import spoil, write_set

from jobs.analysis.settled import settled
from jobs.verify import run as verify
from tda.config.analysis import AnalysisConfig, ClustersConfig, LocalDimensionConfig, UmapConfig
from tda.config.jobs import VerifyJob
from tda.errors import LacunaError
from tda.geometry.clusters.stability import agreement
from tda.store.datasets.embedding_set import EmbeddingSet

PAIRS, FITTED = 360, 120
PARTS = ["placement"]
SAMPLED: dict[str, Any] = {
    "umap": UmapConfig(max_pairs=FITTED), "local_dimension": LocalDimensionConfig(max_clusters=5, draws=20),
}  # fmt: skip


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> tuple[Path, Any, dict[str, Any]]:
    """A root whose layout is fitted on a third of the pairs, the topic of each pair, and its metrics."""
    del ray_cluster
    root = tmp_path_factory.mktemp("sampled")
    image_ND, text_ND, topic_N = topics(PAIRS)
    write_set(root, "world", image_ND, text_ND)
    return root, topic_N, measured(root, parts=["placement", "local_dimension"], **SAMPLED)


def rows_of(root: Path) -> dict[str, Any]:
    files = sorted((folder_of(root) / "rows").glob("*.parquet"))
    tables = [pq.read_table(file) for file in files]
    return {name: np.concatenate([table[name].to_numpy(zero_copy_only=False) for table in tables]) for name in tables[0].column_names}


def bytes_of(root: Path) -> dict[str, str]:
    folder = folder_of(root) / "rows"
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.rglob("*.*"))}


class TestRows:
    def test_aligned_with_the_embeddings_and_fitted_rows_keep_theirs(self, sampled: tuple[Path, Any, dict[str, Any]]) -> None:
        root, _, _ = sampled
        rows, layout, clusters = rows_of(root), table_of(root, "layout"), table_of(root, "clusters")
        keys = EmbeddingSet(str(root), "world", "tiny").table(["ordinal", "key"])
        np.testing.assert_array_equal(rows["ordinal"], keys["ordinal"].to_numpy())
        assert rows["key"].tolist() == keys["key"].to_pylist()
        np.testing.assert_array_equal(np.flatnonzero(rows["fitted"]), layout["row"][:FITTED])
        for side, name in enumerate(("image", "text")):
            own = slice(side * FITTED, (side + 1) * FITTED)
            for axis in "xyz":
                np.testing.assert_array_equal(rows[f"{name}_{axis}"][rows["fitted"]], layout[axis][own])
            np.testing.assert_array_equal(rows[f"{name}_label"][rows["fitted"]], clusters["label"][own])
            np.testing.assert_array_equal(rows[f"{name}_probability"][rows["fitted"]], clusters["probability"][own])
            np.testing.assert_array_equal(rows[f"{name}_group"], np.where(rows[f"{name}_label"] < 5, rows[f"{name}_label"], -1))

    def test_labels_are_the_planted_ones(self, sampled: tuple[Path, Any, dict[str, Any]]) -> None:
        root, topic_N, found = sampled
        rows = rows_of(root)
        out = ~rows["fitted"]
        label_N = np.concatenate([rows["image_label"][out], rows["text_label"][out]])
        assert (agreement(label_N, np.concatenate([topic_N[out], topic_N[out] + 6])) or 0) > 0.9
        part = found["rows"]
        assert (part["scope"], part["pairs"], part["fitted_pairs"]) == ("all", PAIRS, FITTED)
        stands = part["sample"]
        assert stands["pairs"] == FITTED
        assert stands["trustworthiness"] > found["umap"]["trustworthiness"] - 0.01
        assert stands["agreement"] > 0.9
        assert abs(stands["noise_out"] - stands["noise_in"]) < 0.05

    def test_counts_and_local_dimension_are_of_all_rows(self, sampled: tuple[Path, Any, dict[str, Any]]) -> None:
        root, _, found = sampled
        rows, counts = rows_of(root), table_of(root, "row_clusters")
        for cluster, images, texts, share in zip(*(counts[name] for name in ("cluster", "images", "texts", "image_share")), strict=True):
            assert (images, texts) == tuple(int((rows[f"{name}_label"] == cluster).sum()) for name in ("image", "text"))
            assert images + texts == 0 or share == images / (images + texts)
        assert counts["images"].sum() == PAIRS
        assert len(found["per_cluster"]) == 5
        for row in found["per_cluster"]:
            own = counts["cluster"] == row["id"]
            assert (row["images"], row["texts"]) == (int(counts["images"][own][0]), int(counts["texts"][own][0]))
            assert row["queries"] == row["size"], "every pair was a query"


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("space", ["layout", "raw", "pca"])
def test_equal_rows_have_one_place_and_one_label(tmp_path: Path, space: str) -> None:
    """Copies within the fit, among rows that are labelled outside of it, among the rest, and of an image among the texts."""
    image_ND, text_ND, _ = topics(PAIRS)
    copies = {0: [3, 6, 1, 2, 100, 350], 5: [11, 200, 201], 7: [8, 300], 31: [32, 33]}
    for row, others in copies.items():
        image_ND[others], text_ND[others] = image_ND[row], text_ND[row]
    text_ND[[17, 18]] = image_ND[0]
    write_set(tmp_path, "world", image_ND, text_ND)
    clusters = ClustersConfig(space=space, components=4, max_pairs=180, sample=120)
    measured(tmp_path, parts=PARTS, **SAMPLED, clusters=clusters)
    rows = rows_of(tmp_path)
    for name, column in (("image", image_ND), ("text", text_ND)):
        _, first_N = np.unique(column, axis=0, return_inverse=True)
        kinds = [f"{name}_{kind}" for kind in ("x", "y", "z", "label", "probability", "group")]
        for group in np.unique(first_N):
            same = np.flatnonzero(first_N == group)
            assert all(len(np.unique(rows[kind][same])) == 1 for kind in kinds), (name, same)
    assert all(rows[f"text_{kind}"][17] == rows[f"image_{kind}"][0] == rows[f"text_{kind}"][18] for kind in ("x", "y", "z", "label"))


@pytest.mark.usefixtures("ray_cluster")
class TestAgain:
    def test_the_same_bytes_after_loss_and_damage(self, sampled: tuple[Path, Any, dict[str, Any]], tmp_path: Path) -> None:
        root = tmp_path / "root"
        shutil.copytree(sampled[0], root)
        before, folder = bytes_of(root), folder_of(root) / "rows"
        (folder / "00000.parquet").unlink()
        (folder / "_records" / "00001.json").write_text("{")
        kept = (folder / "00002.parquet").stat().st_mtime_ns
        measured(root, parts=PARTS, block_rows=50, **SAMPLED)
        assert bytes_of(root) == before
        assert (folder / "00002.parquet").stat().st_mtime_ns == kept, "its record stands"
        assert verify(VerifyJob(root=str(root))).whole

    def test_rows_of_another_fit_are_made_again(self, sampled: tuple[Path, Any, dict[str, Any]], tmp_path: Path) -> None:
        root = tmp_path / "root"
        shutil.copytree(sampled[0], root)
        before = metrics_of(root)["rows"]["fit"]
        other = measured(root, parts=PARTS, **{**SAMPLED, "umap": UmapConfig(max_pairs=FITTED, min_dist=0.4)})
        assert other["rows"]["fit"] != before
        records = [json.loads(file.read_text())["fit"] for file in sorted((folder_of(root) / "rows" / "_records").iterdir())]
        assert records == [other["rows"]["fit"]] * 3
        record = folder_of(root) / "rows" / "_records" / "00000.json"
        shutil.copy(folder_of(sampled[0]) / "rows" / "_records" / "00000.json", record)
        assert not verify(VerifyJob(root=str(root))).whole, "a record of the first fit"

    def test_one_shard_or_many(self, sampled: tuple[Path, Any, dict[str, Any]], tmp_path: Path) -> None:
        """The same pairs as one file: every row has the same place and labels."""
        write_set(tmp_path, "world", *topics(PAIRS)[:2], shards=1)
        measured(tmp_path, parts=PARTS, **SAMPLED)
        one, many = rows_of(tmp_path), rows_of(sampled[0])
        for name in set(one) - {"ordinal", "key"}:
            np.testing.assert_array_equal(one[name], many[name])

    @pytest.mark.long
    def test_the_sample_alone(self, sampled: tuple[Path, Any, dict[str, Any]], tmp_path: Path) -> None:
        write_set(tmp_path, "world", *topics(PAIRS)[:2])
        found = measured(tmp_path, parts=["placement", "local_dimension"], rows="sample", **SAMPLED)
        assert not (folder_of(tmp_path) / "rows").exists()
        assert (found["rows"]["scope"], found["rows"]["pairs"]) == ("sample", FITTED)
        assert found["rows"]["sample"]["agreement"] == sampled[2]["rows"]["sample"]["agreement"]
        assert sum(row["size"] for row in found["per_cluster"]) <= 2 * FITTED
        assert verify(VerifyJob(root=str(tmp_path))).whole

    def test_a_bad_row_is_named_and_the_other_shards_are_kept(self, tmp_path: Path) -> None:
        image_ND, text_ND, _ = topics(PAIRS)
        write_set(tmp_path, "world", image_ND, text_ND)
        spoil(tmp_path, "world", image_ND[1])  # row 1 is not fitted
        with pytest.raises(LacunaError, match="1 of 3 shards were not placed, the first: shard 00000: bad_row"):
            measured(tmp_path, parts=PARTS, **SAMPLED)
        assert len(list((folder_of(tmp_path) / "rows" / "_records").iterdir())) == 2


@pytest.mark.usefixtures("ray_cluster")
class TestSpaces:
    @pytest.mark.long
    @pytest.mark.parametrize("space", ["raw", "pca"])
    def test_clusters_of_the_rows_themselves(self, tmp_path: Path, space: str) -> None:
        image_ND, text_ND, topic_N = topics(PAIRS)
        write_set(tmp_path, "world", image_ND, text_ND)
        clusters = ClustersConfig(space=space, components=8, min_samples=3, sample=200, max_pairs=240)
        measured(tmp_path, parts=PARTS, **{**SAMPLED, "clusters": clusters})
        rows = rows_of(tmp_path)
        found = agreement(np.concatenate([rows["image_label"], rows["text_label"]]), np.concatenate([topic_N, topic_N + 6]), noise=False)
        assert (found or 0) > 0.9

    def test_a_set_that_is_fitted_whole(self, tmp_path: Path) -> None:
        write_set(tmp_path, "world", *topics(60)[:2])
        found = measured(tmp_path, parts=PARTS)
        assert (found["rows"]["scope"], found["rows"]["sample"]) == ("all", None)
        rows, clusters = rows_of(tmp_path), table_of(tmp_path, "clusters")
        assert rows["fitted"].all()
        np.testing.assert_array_equal(np.concatenate([rows["image_label"], rows["text_label"]]), clusters["label"])


@pytest.mark.parametrize(
    ("rows", "pairs", "wanted"),
    [
        ("auto", 50_000, "sample"),
        ("auto", 50_001, "all"),
        ("auto", 1_000_001, "sample"),
        ("all", 2_000_000, "all"),
        ("sample", 60_000, "sample"),
    ],
)
def test_which_rows_are_placed(rows: str, pairs: int, wanted: str) -> None:
    assert settled(AnalysisConfig(rows=rows), pairs).rows == wanted
