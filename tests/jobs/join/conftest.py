"""A small reference grouped by cell, and queries of which some repeat it."""

from pathlib import Path
from typing import Any

import pytest
from nearest_rows import clustered, publish_set

from jobs.join.build_cells import Builder, Entire
from jobs.join.reference_actor import JoinPlan
from tda.geometry.neighbors.sizes import HEAVY
from tda.store.datasets.cells import CellPlan, read_group_record
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.nearest import reference_hash
from tda.store.paths import RootPaths
from tda.store.types import VECTORS

ROWS, QUERIES, DIM, CELLS = 600, 90, 16, 12


@pytest.fixture
def drawn() -> dict[str, Any]:
    rows = {name: clustered(n, DIM, seed) for seed, (name, n) in enumerate({"ri": ROWS, "rt": ROWS, "qi": QUERIES, "qt": QUERIES}.items())}
    rows["qi"][:10], rows["qt"][10:20] = rows["ri"][400:410], rows["rt"][:10]
    return rows


@pytest.fixture
def cells(tmp_path: Path, drawn: dict[str, Any]) -> CellPlan:
    publish_set(str(tmp_path), "r", drawn["ri"], drawn["rt"], 250)
    publish_set(str(tmp_path), "q", drawn["qi"], drawn["qt"], 50)
    reference = EmbeddingSet(str(tmp_path), "r", "e")
    return CellPlan(
        root=str(tmp_path),
        reference="r",
        encoder="e",
        reference_hash=reference_hash(RootPaths(str(tmp_path)), "r", "e"),
        shards=tuple(zip(reference.shards, reference.rows_per_shard, strict=True)),
        dim=DIM,
        dtype="float16",
        cells=CELLS,
        bound=HEAVY * ROWS // CELLS,
        group_rows=200,
        seed=0,
    )


@pytest.fixture
def plan(cells: CellPlan) -> JoinPlan:
    """Exact, the three best."""
    Builder(cells, 1, "cpu").build(Entire(), 1)
    found = [read_group_record(cells, modality, f"{i:06d}") for modality in VECTORS for i in range(20)]
    names = {"dataset": "q", "encoder": "e", "reference": "r", "reference_hash": cells.reference_hash, "layout_hash": cells.content}
    return JoinPlan(
        cells=cells,
        groups=tuple(group for group in found if group is not None and group.rows),
        dataset="q",
        probes=None,
        k=3,
        threads=1,
        device="cpu",
        settings={**names, "weights_sha256": "w", "probes": None, "k": 3},
    )
