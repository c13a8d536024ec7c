"""atlas.parquet: every drawn row of every model, with its place, caption, cluster, rank and neighbours, for other tools.

A row is an image or a text of a pair. Models are placed side by side, data sets below each other, so that one plane shows all.
N rows of a cell, K neighbours, D dimensions.
"""

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.errors import LacunaError
from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run
from tda.report.drawing import projection
from tda.report.drawing.style import MODALITIES

if TYPE_CHECKING:
    import pyarrow as pa

    from tda.store.datasets.embedding_set import EmbeddingSet

PITCH = (4.4, 2.6)  # from one map to the next, to the right and downwards; a map is 4 wide and 2 high
MOST_READ = 1_000_000  # rows of a data set up to which captions, keys and vectors are read for a sample of it


def atlas(run: Run, pairs: int, neighbors: int) -> bytes:
    """The Parquet file, at most `pairs` pairs of each (data set, model) and `neighbors` of each row; empty where nothing is laid out.

    Columns: id, dataset, model, modality, row, key, text, projection_x, projection_y, x, y, z (NaN in a plane), cluster (-1: noise, null:
    not clustered), probability, rank (of the partner, from 1), pair_cosine, neighbors {ids, distances} (1 - cosine, of the model's
    own rows in this file).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = [cell for cell in run.cells if "layout" in cell.parquet] if pairs else []
    tables, start = [], 0
    for cell in cells:
        at = (PITCH[0] * run.encoders.index(cell.encoder), -PITCH[1] * run.datasets.index(cell.dataset))
        tables.append(_table(run, cell, pairs, neighbors, (start, *at)))
        start += tables[-1].num_rows
    if not tables:
        return b""
    buffer = io.BytesIO()
    pq.write_table(pa.concat_tables(tables), buffer, compression="zstd")
    return buffer.getvalue()


def _table(run: Run, cell: Cell, pairs: int, neighbors: int, place: tuple[int, float, float]) -> "pa.Table":
    import pyarrow as pa

    rows_R, where = _chosen(cell, pairs)
    start, right, down = place
    flat = _flat(cell, where)
    read = _read(run.root, cell, rows_R)
    ids = np.arange(start, start + 2 * len(rows_R))
    ranks = _at_rows(cell.parquet.get("ranks"), rows_R)
    labels = [_labels(cell, modality, rows_R) for modality in MODALITIES]
    count = len(rows_R)
    columns: dict[str, Any] = {
        "id": ids,
        "dataset": [cell.shown] * (2 * count),
        "model": [name(cell.encoder, run.config)] * (2 * count),
        "modality": [shown for shown in cell.modalities for _ in range(count)],
        "row": np.concatenate([rows_R, rows_R]),
        "key": 2 * read["key"],
        "text": 2 * read["caption"],
        "projection_x": np.concatenate([flat[modality][:, 0] for modality in MODALITIES]) + right,
        "projection_y": np.concatenate([flat[modality][:, 1] for modality in MODALITIES]) + down,
        **{axis: np.concatenate([_axis(where[modality], number) for modality in MODALITIES]) for number, axis in enumerate("xyz")},
        "cluster": [label for found, _ in labels for label in found],
        "probability": [one for _, found in labels for one in found],
        "rank": [*ranks["image_to_text"], *ranks["text_to_image"]],
        "pair_cosine": 2 * _cosines(read["vectors"], count),
        "neighbors": _neighbors(read["vectors"], ids, neighbors),
    }
    kinds = {
        "cluster": pa.int32(), "probability": pa.float32(), "rank": pa.int64(), "pair_cosine": pa.float32(),
        "neighbors": pa.struct([("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float32()))]),
    }  # fmt: skip
    return pa.table({key: pa.array(values, kinds.get(key), from_pandas=key == "probability") for key, values in columns.items()})


def _chosen(cell: Cell, pairs: int) -> tuple[npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
    """Evenly chosen pairs of the layout, (R,), and the places of their image and their text, each (R, 2) or (R, 3)."""
    columns = cell.parquet["layout"]
    axes = "xyz" if projection.on_sphere(columns) else "xy"
    of = {modality: np.flatnonzero(columns["modality"] == modality) for modality in MODALITIES}
    rows = {modality: np.asarray(columns["row"])[places].astype(np.int64) for modality, places in of.items()}
    both = np.intersect1d(rows["image"], rows["text"])
    rows_R = both[projection.evenly(len(both), pairs)]
    where = {}
    for modality, own in rows.items():
        order = np.argsort(own)
        found = of[modality][order[np.searchsorted(own[order], rows_R)]]
        where[modality] = np.stack([np.asarray(columns[axis], dtype=np.float64)[found] for axis in axes], axis=1)
    return rows_R, where


def _flat(cell: Cell, where: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Places on the map of the sphere, or of the plane within a square of side 2."""
    if projection.on_sphere(cell.parquet["layout"]):
        turn_33 = projection.frame(where)
        return {modality: projection.mollweide(unit_N3 @ turn_33.T) for modality, unit_N3 in where.items()}
    every = np.concatenate(list(where.values()))
    middle_2, reach = (every.min(axis=0) + every.max(axis=0)) / 2, max(float(np.ptp(every, axis=0).max()) / 2, 1e-12)
    return {modality: (points - middle_2) / reach for modality, points in where.items()}


def _axis(points: npt.NDArray[Any], number: int) -> npt.NDArray[Any]:
    return points[:, number] if number < points.shape[1] else np.full(len(points), np.nan)


def _at_rows(ranks: Any, rows_R: npt.NDArray[np.int64]) -> dict[str, list[int | None]]:
    """The ranks of these rows; None where a row was no query."""
    known = dict(zip(ranks["row"].tolist(), range(len(ranks["row"])), strict=True)) if ranks else {}
    places = [known.get(row) for row in rows_R.tolist()]
    return {way: [None if place is None else int(ranks[way][place]) for place in places] for way in ("image_to_text", "text_to_image")}


def _labels(cell: Cell, modality: str, rows_R: npt.NDArray[np.int64]) -> tuple[list[int | None], list[float | None]]:
    columns = cell.parquet.get("clusters")
    if not columns:
        return [None] * len(rows_R), [None] * len(rows_R)
    here = np.flatnonzero(columns["modality"] == modality)
    known = dict(zip(np.asarray(columns["row"])[here].tolist(), here.tolist(), strict=True))
    places = [known.get(row) for row in rows_R.tolist()]
    return (
        [None if place is None else int(columns["label"][place]) for place in places],
        [None if place is None else float(columns["probability"][place]) for place in places],
    )


def _read(root: str, cell: Cell, rows_R: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Keys, captions and unit vectors (2R, D) of rows, images first; empty where the embeddings are elsewhere or too many to read."""
    from tda.store.datasets.embedding_set import EmbeddingSet

    nothing: dict[str, Any] = {"key": [""] * len(rows_R), "caption": [""] * len(rows_R), "vectors": None}
    try:
        embeddings = EmbeddingSet(root, cell.dataset, cell.encoder)
        if len(embeddings) > MOST_READ or not len(rows_R) or rows_R[-1] >= len(embeddings):
            return nothing
        words = embeddings.table(["key", "caption"])
        texts = {column: words[column].take(rows_R).to_pylist() for column in ("key", "caption")}
        vectors = _vectors(embeddings, rows_R)
    except (LacunaError, OSError):  # the embeddings are under another root
        return nothing
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return {**{column: [str(one or "") for one in found] for column, found in texts.items()}, "vectors": vectors}


def _vectors(embeddings: "EmbeddingSet", rows_R: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """(2R, D) vectors of these rows, images first, read in blocks."""
    found: list[list[npt.NDArray[Any]]] = [[], []]
    for block in embeddings.blocks(20_000):
        here = rows_R[(rows_R >= block.start) & (rows_R < block.start + len(block.image_ND))] - block.start
        found[0].append(block.image_ND[here].astype(np.float32))
        found[1].append(block.text_ND[here].astype(np.float32))
    return np.concatenate([*found[0], *found[1]])


def _cosines(vectors: npt.NDArray[Any] | None, count: int) -> list[float | None]:
    if vectors is None:
        return [None] * count
    found: list[float | None] = np.einsum("nd,nd->n", vectors[:count], vectors[count:]).tolist()
    return found


def _neighbors(vectors: npt.NDArray[Any] | None, ids: npt.NDArray[np.int64], most: int) -> list[dict[str, Any] | None]:
    """The nearest rows of each by cosine, itself left out."""
    most = min(most, len(ids) - 1)
    if vectors is None or most < 1:
        return [None] * len(ids)
    found: list[dict[str, Any] | None] = []
    for start in range(0, len(ids), 1024):
        sims_BN = vectors[start : start + 1024] @ vectors.T
        sims_BN[np.arange(len(sims_BN)), np.arange(start, start + len(sims_BN))] = -np.inf
        near_BK = np.argpartition(-sims_BN, most - 1, axis=1)[:, :most]
        for sims_N, near_K in zip(sims_BN, near_BK, strict=True):
            order_K = near_K[np.argsort(-sims_N[near_K], kind="stable")]
            found.append({"ids": ids[order_K].tolist(), "distances": (1 - sims_N[order_K]).tolist()})
    return found
