"""Counts of a data set's closest cosines by modality, from one pass over the rows that `jobs.nearest` stored.

H bins. Counts are stored under `report/closest/` with the digest of their rows and matches, so that a set of any size is
read once.
"""

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tda.errors import LacunaError
from tda.geometry.shift import BINS, Counts, histogram, quantile
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.views import META_KEY, recorded_name
from tda.store.files import filesystem, join, list_folders, publish_bytes, read_bytes
from tda.store.paths import RootPaths
from tda.store.types import VECTORS


@dataclass(frozen=True, kw_only=True)
class Closest:
    """Closest cosines of a data set in one reference: (H,) counts for each modality."""

    reference: str
    rows: int
    counts: dict[str, Counts]
    digest: str

    def median(self, modality: str) -> float:
        return quantile(self.counts[modality], 0.5)


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
    counts = _stored(url, nearest.digest)
    if counts is None:
        counts = {modality: np.zeros(BINS, dtype=np.int64) for modality in VECTORS}
        for shard in nearest.shards:
            table = nearest.shard_table(shard, [f"{modality}_cosine" for modality in VECTORS])
            for modality in VECTORS:
                counts[modality] += histogram(table[f"{modality}_cosine"].to_numpy())
        buffer = io.BytesIO()
        table = pa.table(counts).replace_schema_metadata({META_KEY: json.dumps({"digest": nearest.digest})})
        pq.write_table(table, buffer, compression="zstd")
        publish_bytes(url, buffer.getvalue())
    return Closest(reference=names[2], rows=len(nearest), counts=counts, digest=nearest.digest)


def _stored(url: str, digest: str) -> dict[str, Any] | None:
    fs, path = filesystem(url)
    if not fs.exists(path):
        return None
    try:
        table = pq.read_table(io.BytesIO(read_bytes(url)))
    except pa.ArrowInvalid:
        return None
    own = json.loads((table.schema.metadata or {}).get(META_KEY, b"{}")).get("digest")
    return {name: table[name].to_numpy() for name in table.column_names} if own == digest else None
