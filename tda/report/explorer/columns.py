"""The columns of one model for the shown pairs: places, labels, ranks, cosines, matches, closest rows of a reference.

P pairs, C coordinates, K matches, D dimensions. A pair that the model lacks has NaN or -1.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tda.columns import Columns
from tda.errors import LacunaError
from tda.report.explorer.models import Model
from tda.report.explorer.nearest_shown import top_matches
from tda.report.explorer.pairs import Pairs, by_shard
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.row_lookup import RowId, rows_of
from tda.store.datasets.sampling import read_pairs
from tda.store.datasets.views import recorded_name
from tda.store.files import join, list_folders

Array = NDArray[Any]
MODALITIES = ("image", "text")
ABSENT = -2  # the label of a row without one; -1 is noise
MATCHES = 8
MATCHED_PAIRS = 12_000  # among more, what a row retrieves is not looked up
READ = 20_000_000  # rows of a data set whose vectors and closest rows are read for the shown ones
CAPTIONED = 2_000_000  # rows of a reference whose captions are looked up
BLOCK = 65_536


@dataclass(kw_only=True)
class Shown:
    """Of one model: `place` by projection (2, P, C), images first; `number` (P,) or (2, P) or (P, K) by name."""

    place: dict[str, Array] = field(default_factory=dict)
    number: dict[str, Array] = field(default_factory=dict)
    index: dict[str, Array] = field(default_factory=dict)
    references: list[dict[str, Any]] = field(default_factory=list)


def columns_of_model(root: str, model: Model, pairs: Pairs) -> Shown:
    """Everything that was measured of the shown pairs."""
    row_P, shown = pairs.row_P[model.encoder], Shown()
    if "layout" in model.tables:
        layout = model.tables["layout"]
        name = "sphere" if "z" in layout else "plane"
        place_2PC = _both(layout, row_P, ["x", "y", "z"] if name == "sphere" else ["x", "y"])
        shown.place[name] = _unit(place_2PC) if name == "sphere" else place_2PC
    if "pca" in model.tables:
        pca = model.tables["pca"]
        shown.place["pca"] = np.stack([_aligned(pca, row_P, [f"{name}_pc1", f"{name}_pc2"]) for name in MODALITIES])
    if "clusters" in model.tables:
        label_2P = _both(model.tables["clusters"], row_P, ["label"])[..., 0]
        shown.index["label"] = np.where(np.isfinite(label_2P), label_2P, ABSENT).astype(np.int32)
    if "ranks" in model.tables:
        rank_P2 = _aligned(model.tables["ranks"], row_P, ["image_to_text", "text_to_image"])
        shown.index["rank"] = np.where(np.isfinite(rank_P2), rank_P2, -1).astype(np.int32).T
    if model.embeddings is not None and len(model.embeddings) <= READ:
        _from_vectors(model.embeddings, row_P, shown)
        shown.references = _references(root, model, row_P)
    return shown


def _aligned(columns: Columns, row_P: Array, names: list[str]) -> Array:
    """(P, len(names)) float32 of the rows of a table; NaN for those it lacks."""
    own = columns["row"]
    order = np.argsort(own, kind="stable")
    at_P = order[np.searchsorted(own, row_P, sorter=order).clip(max=max(len(own) - 1, 0))] if len(own) else np.zeros(len(row_P), int)
    there = (own[at_P] == row_P) & (row_P >= 0) if len(own) else np.zeros(len(row_P), dtype=bool)
    found = np.full((len(row_P), len(names)), np.nan, np.float32)
    for column, name in enumerate(names):
        found[there, column] = columns[name][at_P[there]]
    return found


def _both(columns: Columns, row_P: Array, names: list[str]) -> Array:
    """(2, P, len(names)), from a table with a column `modality`."""
    parts = [{name: values[columns["modality"] == modality] for name, values in columns.items()} for modality in MODALITIES]
    return np.stack([_aligned(part, row_P, names) for part in parts])


def _unit(place_2PC: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(place_2PC / np.linalg.norm(place_2PC, axis=-1, keepdims=True))


def _from_vectors(embeddings: EmbeddingSet, row_P: Array, shown: Shown) -> None:
    """The cosine of each pair, and what its members retrieve among the shown rows."""
    there = np.flatnonzero(row_P >= 0)
    there = there[np.argsort(row_P[there], kind="stable")]
    if not len(there):
        return
    image_PD, text_PD = (np.asarray(part, np.float32) for part in read_pairs(embeddings, row_P[there], BLOCK))
    cosine_P = np.full(len(row_P), np.nan, np.float32)
    cosine_P[there] = np.einsum("pd,pd->p", image_PD, text_PD)
    shown.number["cosine"] = cosine_P
    if len(there) <= MATCHED_PAIRS:
        for name, query_PD, other_PD in (("texts", image_PD, text_PD), ("images", text_PD, image_PD)):
            match_PK = top_matches(query_PD, other_PD, MATCHES)
            whole = np.full((len(row_P), match_PK.shape[1]), -1, np.int32)
            whole[there] = there[match_PK]
            shown.index[name] = whole


def _references(root: str, model: Model, row_P: Array) -> list[dict[str, Any]]:
    """For each reference: its name, both closest cosines (P,), and whose rows they are."""
    recorded, found = recorded_name(model.dataset), []
    for reference in list_folders(join(root, "nearest", recorded, model.encoder)):
        if recorded_name(reference) == recorded:
            continue
        try:
            nearest = NearestSet(root, model.dataset, model.encoder, reference)
            found.append({"name": reference, **_closest(root, model, reference, nearest, row_P)})
        except LacunaError:  # stale or damaged: the page names it
            continue
    return found


def _closest(root: str, model: Model, reference: str, nearest: NearestSet, row_P: Array) -> dict[str, Any]:
    found: dict[str, Any] = {}
    there = np.flatnonzero(row_P >= 0)
    there = there[np.argsort(row_P[there], kind="stable")]
    for modality in MODALITIES:
        table = _rows_of(model.embeddings, nearest, row_P[there], [f"{modality}_cosine", f"{modality}_match"])
        cosine_P = np.full(len(row_P), np.nan, np.float32)
        cosine_P[there] = table[f"{modality}_cosine"].to_numpy()
        matches = [RowId(match["shard"], match["ordinal"]) for match in table[f"{modality}_match"].to_pylist()]
        index_P, rows = _numbered(matches, there, len(row_P))
        captions = _captions(root, reference, model.encoder, rows)
        found[modality] = {"cosine": cosine_P, "match": {"index": index_P, "rows": rows, "captions": captions}}
    return found


def _rows_of(embeddings: Any, nearest: NearestSet, row_M: Array, names: list[str]) -> pa.Table:
    """Columns at ascending rows of the set, one shard in memory at a time."""
    parts = [nearest.shard_table(embeddings.shards[index], names).take(pa.array(inside)) for index, inside in by_shard(embeddings, row_M)]
    return pa.concat_tables(parts)


def _numbered(matches: list[RowId], there: Array, count: int) -> tuple[Array, list[RowId]]:
    """Each pair's index (P,) among the distinct matched rows, and these."""
    distinct = list(dict.fromkeys(matches))
    number = {one: i for i, one in enumerate(distinct)}
    index_P = np.full(count, -1, np.int32)
    index_P[there] = [number[one] for one in matches]
    return index_P, distinct


def _captions(root: str, reference: str, encoder: str, wanted: list[RowId]) -> list[str]:
    try:
        embeddings = EmbeddingSet(root, recorded_name(reference), encoder)
        if len(embeddings) > CAPTIONED:
            return []
        rows = rows_of(embeddings, wanted, ["caption"])
    except LacunaError:
        return []
    return [str((row or {}).get("caption") or "") for row in rows]
