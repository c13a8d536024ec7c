"""A data set's closest cosines by modality, from one pass over the rows that `jobs.nearest` stored.

H bins. Values and how many rows have each are stored under `report/closest/` with the digest of their rows and matches, so that a set of
any size is read once.
"""

import io
import json
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tda.errors import LacunaError
from tda.geometry.shift import Counts, Values
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.views import META_KEY, recorded_name
from tda.store.files import filesystem, join, list_folders, publish_bytes, read_bytes
from tda.store.paths import RootPaths
from tda.store.types import VECTORS


@dataclass(frozen=True, kw_only=True)
class Closest:
    """Closest cosines of a data set in one reference, by modality."""

    reference: str
    rows: int
    values: dict[str, Values]
    digest: str

    @cached_property
    def counts(self) -> dict[str, Counts]:
        """Counts (H,) of each modality, for figures."""
        return {modality: values.counts() for modality, values in self.values.items()}

    def median(self, modality: str) -> float:
        return float(self.values[modality].quantile(0.5))


def closest_of(root: str, dataset: str, encoder: str) -> dict[str, Closest]:
    """By reference, the readable closest rows of a data set under an encoder; without those in the set itself."""
    found: dict[str, Closest] = {}
    recorded = recorded_name(dataset)
    for reference in list_folders(join(root, "nearest", recorded, encoder)):
        if recorded_name(reference) == recorded:
            continue
        try:
            nearest = NearestSet(root, dataset, encoder, reference)
            if len(nearest):
                found[reference] = _counted(root, nearest, (dataset, encoder, reference))
        except LacunaError:  # stale or damaged: the figure names it as missing, with the command
            continue
    return found


def _counted(root: str, nearest: NearestSet, names: tuple[str, str, str]) -> Closest:
    url = join(RootPaths(root).report().rpartition("/")[0], "closest", f"{'-'.join(names)}.parquet")
    values = _stored(url, nearest.digest)
    if values is None:
        values = {modality: _values_of(nearest, modality) for modality in VECTORS}
        buffer = io.BytesIO()
        table = pa.table(_columns(values)).replace_schema_metadata({META_KEY: json.dumps({"digest": nearest.digest})})
        pq.write_table(table, buffer, compression="zstd")
        publish_bytes(url, buffer.getvalue())
    return Closest(reference=names[2], rows=len(nearest), values=values, digest=nearest.digest)


def _values_of(nearest: NearestSet, modality: str) -> Values:
    column = f"{modality}_cosine"
    parts = (Values.of(nearest.shard_table(shard, [column])[column].to_numpy()) for shard in nearest.shards)
    return reduce(Values.merge, parts)


def _columns(values: dict[str, Values]) -> dict[str, Any]:
    return {
        "modality": np.repeat(list(values), [len(one.value_F) for one in values.values()]),
        "value": np.concatenate([one.value_F for one in values.values()]),
        "rows": np.concatenate([one.count_F for one in values.values()]),
    }


def _stored(url: str, digest: str) -> dict[str, Values] | None:
    fs, path = filesystem(url)
    if not fs.exists(path):
        return None
    try:
        table = pq.read_table(io.BytesIO(read_bytes(url)))
    except pa.ArrowInvalid:
        return None
    own = json.loads((table.schema.metadata or {}).get(META_KEY, b"{}")).get("digest")
    if own != digest or table.column_names != ["modality", "value", "rows"]:
        return None
    modality, value, rows = (table[name].to_numpy() for name in table.column_names)
    return {name: Values(value[modality == name], rows[modality == name]) for name in VECTORS}
