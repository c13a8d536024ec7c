"""Matches of drawn rows, ready to publish beside the embeddings of `small_rows`."""

from pathlib import Path
from typing import Any

import numpy as np
from small_rows import SOURCE, identity, small_rows

from tda.store.commit.records import ShardRecord
from tda.store.commit.rows import unit_rows
from tda.store.commit.transaction import publish_shard
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.nearest import Matches, NearestRecord, publish_matches, reference_hash
from tda.store.files import remove
from tda.store.paths import RootPaths


def embedded(paths: RootPaths, dataset: str, shard: str, n: int = 4, *, seed: int = 0, weights: str = "w", **columns: Any) -> ShardRecord:
    remove(paths.record(dataset, "e", shard))  # the first record would win
    return publish_shard(
        paths, dataset, "e", shard, rows=small_rows(n, seed=seed, **columns), drops=[], identity=identity(weights=weights), source=SOURCE
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


def joined(paths: RootPaths, record: ShardRecord, *, reference: str = "r", k: int = 1, **fields: Any) -> NearestRecord:
    """Publish drawn matches for the rows of `record`."""
    n = record.rows_out
    names = {"dataset": record.dataset, "encoder": record.encoder, "reference": reference, "shard": record.shard}
    hashes = {"reference_hash": reference_hash(paths, reference, record.encoder), "layout_hash": "l", "weights_sha256": "w"}
    return publish_matches(
        paths,
        ordinal_N=range(n),
        keys=[f"{i:09d}" for i in range(n)],
        matches={"image": drawn_matches(n, k, 1), "text": drawn_matches(n, k, 2)},
        **{**names, "rows_sha256": record.output["sha256"], "probes": None, "k": k, **hashes, **fields},
    )


def clustered(n: int, dim: int, seed: int, centres: int = 12, noise: float = 0.2) -> Any:
    """Unit rows in float16 about the same centres for every seed; some repeat earlier ones, and some are not near any centre."""
    rng = np.random.default_rng(seed)
    centre_CD = np.random.default_rng(7).standard_normal((centres, dim))
    x_ND = centre_CD[rng.integers(0, centres, n)] + noise * rng.standard_normal((n, dim))
    x_ND[:: max(1, n // 50)] = rng.standard_normal(x_ND[:: max(1, n // 50)].shape)
    x_ND[n // 2 : n // 2 + n // 8] = x_ND[: n // 8]
    return unit_rows(x_ND, "float16")[0]


def publish_set(root: str, dataset: str, image_ND: Any, text_ND: Any, rows_per_shard: int, *, encoder: str = "e", **origin: str) -> None:
    """Rows as a recorded data set of shards `<dataset>-00000` and so on; keys repeat from shard to shard, as LAION's do."""
    for start in range(0, len(image_ND), rows_per_shard):
        part = slice(start, start + rows_per_shard)
        rows = small_rows(len(image_ND[part]), image_ND=image_ND[part], text_ND=text_ND[part])
        name = f"{dataset}-{start // rows_per_shard:05d}"
        dtype = str(image_ND.dtype)
        remove(RootPaths(root).record(dataset, encoder, name))  # the first record would win
        publish_shard(RootPaths(root), dataset, encoder, name, rows=rows, drops=[], identity=identity(dtype, **origin), source=SOURCE)


def scale_first_row(root: Path, dataset: str, shard: str, by: float) -> None:
    """Multiply one image vector of a published float16 shard, the data set's first, as a fault of the disk would."""
    path = root / f"embeddings/{dataset}/e/{shard}.parquet"
    data, vector = bytearray(path.read_bytes()), EmbeddingSet(str(root), dataset, "e").image(slice(0, 1)).tobytes()
    at = bytes(data).index(vector)
    data[at : at + len(vector)] = (np.frombuffer(vector, np.float16) * np.float16(by)).tobytes()
    path.write_bytes(data)
