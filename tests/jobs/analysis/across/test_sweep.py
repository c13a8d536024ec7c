"""Sweeps of the layout by multirun, as a user runs them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_rows import paired_spaces, write_set
from typed import typed

from tda.geometry.clusters.stability import agreement
from tda.geometry.neighbors.graph import knn_graph
from tda.geometry.sphere.umap import SphereUMAP
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.tables import read_table


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> Path:
    """A root with one data set and a sweep of it, made by the command, that never was analysed before."""
    del ray_cluster
    root = tmp_path_factory.mktemp("swept")
    write_set(root, "world", *paired_spaces(gap=0.5))
    command(root, "analysis.umap.n_neighbors=5,12", "analysis.umap.min_dist=0,0.5")
    return root


def command(root: Path, *overrides: str) -> list[str]:
    words = ["-m", f"root={root}", "dataset.name=world", "encoder.name=tiny"]
    done = typed("analyze", *words, "analysis.umap.n_epochs=40", "analysis.clusters.min_cluster_size=5", *overrides)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


class TestSweep:
    def test_cells(self, swept: Path) -> None:
        folder = swept / "analysis" / "world" / "tiny"
        sweep = read(folder / "sweep.json")
        (name,) = sweep["files"]
        assert [path.name for path in folder.glob("sweep.*parquet")] == [name], "the tables of fewer cells are gone"
        table = read_table(str(folder / name))
        cells = sweep["cells"]
        assert [(cell["n_neighbors"], cell["min_dist"]) for cell in cells] == [(5, 0.0), (5, 0.5), (12, 0.0), (12, 0.5)]
        embeddings = EmbeddingSet(str(swept), "world", "tiny")
        x_ND = np.concatenate([embeddings.image(), embeddings.text()])
        labels = {}
        for cell in cells:
            chosen = (table["n_neighbors"] == cell["n_neighbors"]) & (table["min_dist"] == cell["min_dist"])
            own = {name: column[chosen] for name, column in table.items()}
            labels[cell["n_neighbors"], cell["min_dist"]] = own["cluster"]
            expected = SphereUMAP(cell["n_neighbors"], cell["min_dist"], 40).fit_transform(x_ND, knn_graph(x_ND, 100))
            np.testing.assert_allclose(np.stack([own[name] for name in "xyz"], axis=1), expected, atol=1e-6)
            assert cell["clusters"] == own["cluster"].max() + 1
            assert cell["noise_fraction"] == pytest.approx((own["cluster"] == -1).mean())
            assert 0.5 < cell["trustworthiness"] <= 1
        for key, cell in zip(labels, cells, strict=True):
            alike = [agreement(labels[key], other_N) for other, other_N in labels.items() if other != key]
            assert cell["agreement"] == pytest.approx(np.mean(alike))

    def test_the_analysis_stands_apart(self, swept: Path) -> None:
        folder = swept / "analysis" / "world" / "tiny"
        before = (folder / "metrics.json").read_bytes()
        assert list(read(folder / "metrics.json")["part_hashes"]) == ["gap"], "the page needs a cell's head to show a sweep beside"
        graph = (folder / "_neighbours_240.parquet").stat().st_mtime_ns
        lines = command(swept, "analysis.umap.min_dist=0.5,0.9", "analysis.umap.n_neighbors=12")
        line = next(line for line in lines if line.startswith("world / tiny: n_neighbors=12 min_dist=0.9"))
        assert "agreement" in line
        assert lines[-1] == "2 of 2 whole"
        assert len(read(folder / "sweep.json")["cells"]) == 5, "cells that are there are kept, and not measured again"
        assert (folder / "metrics.json").read_bytes() == before
        assert (folder / "_neighbours_240.parquet").stat().st_mtime_ns == graph, "one search serves every cell"

    def test_other_settings_begin_anew(self, swept: Path) -> None:
        command(swept, "analysis.umap.n_neighbors=5,6", "analysis.umap.spread=2")
        assert len(read(swept / "analysis" / "world" / "tiny" / "sweep.json")["cells"]) == 2
