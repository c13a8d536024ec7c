"""Matches of drawn rows, ready to publish beside the embeddings of `small_rows`."""

from typing import Any

import numpy as np
from small_rows import SOURCE, identity, small_rows

from tda.store.files import remove
from tda.store.layout import Layout
from tda.store.nearest import Matches, NearestRecord, publish_matches, reference_hash
from tda.store.records import ShardRecord
from tda.store.transaction import publish_shard


def embedded(layout: Layout, dataset: str, shard: str, n: int = 4, *, seed: int = 0, weights: str = "w", **columns: Any) -> ShardRecord:
    remove(layout.record(dataset, "e", shard))  # the first record would win
    return publish_shard(
        layout, dataset, "e", shard, rows=small_rows(n, seed=seed, **columns), drops=[], identity=identity(weights=weights), source=SOURCE
    )


def drawn_matches(n: int, k: int = 1, seed: int = 0) -> Matches:
    """`n` rows of descending cosines to rows of the shard r-00000."""
    rng = np.random.default_rng(seed)
    ordinal_NK = rng.integers(0, 100, (n, k))
    return Matches(
        cosine_NK=-np.sort(-rng.uniform(-1, 1, (n, k))),
        shard_NK=np.full((n, k), "r-00000", dtype=object),
        ordinal_NK=ordinal_NK,
        key_NK=ordinal_NK.astype(str).astype(object),
        count_N=np.full(n, k),
    )


def joined(layout: Layout, record: ShardRecord, *, reference: str = "r", k: int = 1, **fields: Any) -> NearestRecord:
    """Publish drawn matches for the rows of `record`."""
    n = record.rows_out
    names = {"dataset": record.dataset, "encoder": record.encoder, "reference": reference, "shard": record.shard}
    hashes = {"reference_hash": reference_hash(layout, reference, record.encoder), "layout_hash": "l", "weights_sha256": "w"}
    return publish_matches(
        layout,
        ordinal_N=range(n),
        keys=[f"{i:09d}" for i in range(n)],
        matches={"image": drawn_matches(n, k, 1), "text": drawn_matches(n, k, 2)},
        **{**names, "rows_sha256": record.output["sha256"], "probes": None, "k": k, **hashes, **fields},
    )
