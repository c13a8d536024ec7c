"""One table of every pair for other tools: places, captions, ranks and true neighbours, whatever captions hold."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted_report import CAPTIONS, CONFIG, plant_cell

from tda.report.data.load import Run, load_run
from tda.report.files.atlas import PITCH, atlas
from tda.report.topics.registry import tables_read
from tda.store.datasets.embedding_set import EmbeddingSet

PAIRS, K = 60, 4
ENCODERS = ("toy_infonce", "toy_cloob")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("root")
    for encoder in ENCODERS:
        plant_cell(root, "d", encoder)
    return load_run(str(root), CONFIG, tables_read() | {"clusters"})


@pytest.fixture(scope="module")
def table(run: Run) -> pa.Table:
    return pq.read_table(io.BytesIO(atlas(run, PAIRS, K)))


def test_each_row_of_each_model_stands_once(table: pa.Table) -> None:
    rows = table.to_pylist()
    assert len(rows) == 2 * 2 * PAIRS
    assert [row["id"] for row in rows] == list(range(len(rows)))
    assert len({(row["model"], row["modality"], row["row"]) for row in rows}) == len(rows)
    assert {row["model"] for row in rows} == {"toy_infonce (CLIP)", "toy_cloob (CLOOB)"}


def test_places_ranks_and_clusters_are_those_of_the_analysis(run: Run, table: pa.Table) -> None:
    for row in table.to_pylist()[::7]:
        cell = next(cell for cell in run.cells if row["model"].startswith(cell.encoder + " "))
        layout, clusters, ranks = (cell.parquet[name] for name in ("layout", "clusters", "ranks"))
        here = (layout["row"] == row["row"]) & (layout["modality"] == row["modality"])
        assert [row[axis] for axis in "xyz"] == pytest.approx([float(layout[axis][here][0]) for axis in "xyz"])
        own = (clusters["row"] == row["row"]) & (clusters["modality"] == row["modality"])
        assert row["cluster"] == clusters["label"][own][0]
        way = "image_to_text" if row["modality"] == "image" else "text_to_image"
        assert row["rank"] == ranks[way][ranks["row"] == row["row"]][0]


def test_models_stand_side_by_side(table: pa.Table) -> None:
    x, model = np.array(table["projection_x"]), np.array(table["model"].to_pylist())
    first, second = (x[model == name] for name in ("toy_infonce (CLIP)", "toy_cloob (CLOOB)"))
    assert np.abs(first).max() <= 2
    assert np.abs(second - PITCH[0]).max() <= 2
    assert np.abs(np.array(table["projection_y"])).max() <= 1


def test_neighbors_are_the_nearest_by_cosine(run: Run, table: pa.Table) -> None:
    rows = [row for row in table.to_pylist() if row["model"] == "toy_cloob (CLOOB)"]
    embeddings = EmbeddingSet(run.root, "d", "toy_cloob")
    of = {"image": embeddings.image(), "text": embeddings.text()}
    unit = np.stack([of[row["modality"]][row["row"]] for row in rows]).astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -2)
    for place in range(0, len(rows), 11):
        found = rows[place]["neighbors"]
        assert len(found["ids"]) == K
        assert found["distances"] == pytest.approx(sorted(1 - np.sort(cosine[place])[-K:]), abs=1e-5)
        at = [one - rows[0]["id"] for one in found["ids"]]
        assert found["distances"] == pytest.approx([1 - cosine[place, one] for one in at], abs=1e-5)


def test_captions_are_what_they_are(table: pa.Table) -> None:
    first = next(row for row in table.to_pylist() if row["row"] == 0)
    assert first["text"] == CAPTIONS[0]
    assert first["key"] == "000000"


def test_without_embeddings_the_rest_is_there(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    run = load_run(str(tmp_path), CONFIG, tables_read())
    for file in (tmp_path / "embeddings").rglob("*.*"):
        file.unlink()
    (row, *_) = pq.read_table(io.BytesIO(atlas(run, 10, K))).to_pylist()
    assert (row["key"], row["text"], row["pair_cosine"], row["neighbors"], row["cluster"]) == ("", "", None, None, None)


def test_nothing_laid_out_is_no_file(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    (tmp_path / "analysis" / "d" / "toy_cloob" / "layout.parquet").unlink()
    run = load_run(str(tmp_path), CONFIG, tables_read())
    assert atlas(run, 10, 2) == b""
    assert atlas(run, 0, 2) == b""
