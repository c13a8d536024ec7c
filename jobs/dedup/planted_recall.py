"""How well planted repeats are found: recall and precision by kind at every threshold, against the truth that a drawn data set carries.

N rows; a row that is no copy has the kind "".
"""

import json
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tda.config.stages import RULES
from tda.geometry.duplicate_recall import Recovery, recovery
from tda.geometry.duplicates import Rule
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.views import META_KEY, View, content_hash, read_summary, recorded_name
from tda.store.files import exists, filesystem, join, publish
from tda.store.paths import RootPaths

THRESHOLDS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999)
DECIDED = "decided"  # in place of a rule's name: what jobs.dedupe did, exact repeats and both thresholds included

Names = npt.NDArray[np.str_]


def evaluate(root: str, view: View, encoder: str, folder: str) -> str:
    """Write `evaluation.parquet` beside kept.parquet, and return one line of it. `folder` holds drawn shards and their truth.parquet.

    An existing file of the same rows, cosines and decision is kept.
    """
    paths = RootPaths(root)
    nearest = NearestSet(root, recorded_name(view.base), encoder, view.reference)
    content = content_hash([read_summary(paths, view, encoder)["content"], nearest.digest, list(THRESHOLDS)])
    url = join(paths.dedupe_dir(view.base, encoder, view.reference), "evaluation.parquet")
    table = _standing(url, content)
    if table is None:
        table = pa.Table.from_pylist(_rows(root, view, encoder, folder, nearest=nearest))
        table = table.replace_schema_metadata({META_KEY: json.dumps({"content": content})})
        publish(url, partial(pq.write_table, table))
    decided = {row["kind"]: row for row in table.to_pylist() if row["rule"] == DECIDED}
    reported = ", ".join(f"{kind} {row['recall']:.0%}" for kind, row in decided.items() if kind)
    return f"{view.name} / {encoder}: of planted repeats found: {reported}; precision {decided['']['precision']:.0%}"


def _standing(url: str, content: str) -> pa.Table | None:
    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as file:
            table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid):
        return None
    own = json.loads((table.schema.metadata or {}).get(META_KEY, b"{}")).get("content")
    return table if own == content else None


def _rows(root: str, view: View, encoder: str, folder: str, *, nearest: NearestSet) -> list[dict[str, Any]]:
    """Every rule at every threshold by kind, then what was decided."""
    identity = EmbeddingSet(root, recorded_name(view.base), encoder).table(["shard", "ordinal"]).to_pylist()
    kind_N, source = _truth(folder, identity)
    image_N, text_N = nearest.cosines("image"), nearest.cosines("text")
    named_N = _named(nearest, "image", identity, source) | _named(nearest, "text", identity, source)
    found: list[tuple[str, float | None, Any]] = [
        (rule, threshold, Rule(name=rule, image=threshold, text=threshold).holds(image_N, text_N))
        for rule in RULES
        for threshold in THRESHOLDS
    ]
    found.append((DECIDED, None, _gone(root, view, encoder, identity)))
    return [_row(rule, threshold, one) for rule, threshold, found_N in found for one in recovery(found_N, kind_N, named_N)]


def _row(rule: str, threshold: float | None, one: Recovery) -> dict[str, Any]:
    return {"rule": rule, "threshold": threshold, **vars(one)}


def _truth(folder: str, identity: list[dict[str, Any]]) -> tuple[Names, dict[tuple[str, int], tuple[str, int]]]:
    """(N,) the kind of every row, and the row that each copy repeats."""
    url = join(folder, "truth.parquet")
    fs, path = filesystem(url)
    planted: list[dict[str, Any]] = []
    if exists(url):
        with fs.open(path, "rb") as file:
            planted = pq.read_table(file).to_pylist()
    kinds = {(one["shard"], one["ordinal"]): one["kind"] for one in planted}
    source = {(one["shard"], one["ordinal"]): (one["source_shard"], one["source_ordinal"]) for one in planted}
    return np.array([kinds.get((row["shard"], row["ordinal"]), "") for row in identity], dtype=str), source


def _named(nearest: NearestSet, modality: str, identity: list[dict[str, Any]], source: dict[Any, Any]) -> npt.NDArray[np.bool_]:
    """(N,) whether the closest row is the one that was copied."""
    matches = nearest.matches(modality).select(["shard", "ordinal"]).to_pylist()
    pairs = zip(identity, matches, strict=True)
    return np.array([source.get((row["shard"], row["ordinal"])) == (match["shard"], match["ordinal"]) for row, match in pairs], dtype=bool)


def _gone(root: str, view: View, encoder: str, identity: list[dict[str, Any]]) -> npt.NDArray[np.bool_]:
    kept = {(row["shard"], row["ordinal"]) for row in EmbeddingSet(root, view.name, encoder).table(["shard", "ordinal"]).to_pylist()}
    return np.array([(row["shard"], row["ordinal"]) not in kept for row in identity], dtype=bool)
