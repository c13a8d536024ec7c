"""A data set with planted repeats of a reference and of itself, under encoders that see them differently; closest rows by brute force.

Of the reference's rows, `d` repeats some: see `PLANTED`. Everything else is drawn apart from everything.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from recorded_rows import forget_set

from tda.config.datasets import DatasetConfig
from tda.config.jobs import DedupeJob
from tda.config.models import EncoderConfig
from tda.config.stages import DedupeConfig
from tda.store.commit.records import Identity, recorded
from tda.store.commit.rows import Rows, unit_rows
from tda.store.commit.transaction import publish_shard
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.nearest import Matches, publish_matches, reference_hash
from tda.store.paths import RootPaths
from tda.store.types import Source

DIM = 48
# row of d -> (row of r, cosine of the images, cosine of the texts, what else is the same)
PLANTED = {
    2: (7, 0.99, 0.2, ""),
    5: (8, 0.2, 0.98, ""),
    11: (9, 0.97, 0.96, ""),
    13: (10, 0.1, 0.1, "url"),
    17: (11, 0.1, 0.1, "caption"),
    19: (12, 0.9, 0.9, ""),
    23: (13, 0.995, 0.995, "url caption"),
}
N, M = 40, 60


def towards(x_D: Any, cosine: float, rng: np.random.Generator) -> Any:
    """A unit row at exactly this cosine to a unit row."""
    other = rng.standard_normal(len(x_D))
    other -= (other @ x_D) * x_D
    return cosine * x_D + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)


def drawn(n: int, seed: int) -> Any:
    return unit_rows(np.random.default_rng(seed).standard_normal((n, DIM)), "float32")[0]


def side(n: int, prefix: str) -> dict[str, list[Any]]:
    """Captions, URLs and sizes of which none repeats another."""
    return {
        "captions": [f"{prefix} caption {i}" for i in range(n)],
        "urls": [f"http://{prefix}/{i}.jpg" for i in range(n)],
        "widths": [100 + i for i in range(n)],
        "heights": [64] * n,
    }


def write_set(
    root: Path, dataset: str, vectors: tuple[Any, Any], columns: dict[str, list[Any]], *, encoder: str = "e", sizes: Sequence[int] = ()
) -> None:
    """Record rows in shards of these sizes (one of all by default), in place of what is recorded under these names."""
    image_ND, text_ND = vectors
    forget_set(root, dataset, encoder)
    start = 0
    for number, size in enumerate(sizes or (len(image_ND),)):
        part = slice(start, start + size)
        start += size
        rows = Rows(
            ordinals=list(range(size)),
            keys=[f"{number:05d}{i:04d}" for i in range(size)],
            image_ND=np.ascontiguousarray(image_ND[part], np.float32),
            text_ND=np.ascontiguousarray(text_ND[part], np.float32),
            **{name: values[part] for name, values in columns.items()},
        )
        identity = Identity(encoder=encoder, weights_sha256=encoder * 8, preprocessing={}, dtype="float32")
        source = Source(f"/gone/{number:05d}.tar", 1, "")
        publish_shard(RootPaths(str(root)), dataset, encoder, f"{number:05d}", rows=rows, drops=[], identity=identity, source=source)


def plant_world(root: Path, *, encoder: str = "e", seed: int = 0) -> None:
    """`r` (M rows) and `d` (N rows, `PLANTED`) with the closest rows of `d` in `r`."""
    rng = np.random.default_rng(seed)
    reference = drawn(M, seed + 1), drawn(M, seed + 2)
    image_ND, text_ND, columns, theirs = drawn(N, seed + 3), drawn(N, seed + 4), side(N, "d"), side(M, "r")
    for row, (source, image, text, same) in PLANTED.items():
        image_ND[row] = towards(reference[0][source], image, rng)
        text_ND[row] = towards(reference[1][source], text, rng)
        for word in same.split():
            for column in {"url": ["urls"], "caption": ["captions", "widths", "heights"]}[word]:
                columns[column][row] = theirs[column][source]
    write_set(root, "r", reference, theirs, encoder=encoder, sizes=(25, 35))
    write_set(root, "d", (image_ND, text_ND), columns, encoder=encoder, sizes=(10, 12, 18))
    join_exactly(root, "d", "r", encoder=encoder)


def join_exactly(root: Path, dataset: str, reference: str, *, encoder: str = "e", k: int = 1) -> None:
    """Closest rows by brute force, published as `jobs.nearest` does; ties break on reference order."""
    paths, queries, others = RootPaths(str(root)), EmbeddingSet(str(root), dataset, encoder), EmbeddingSet(str(root), reference, encoder)
    names = others.table(["shard", "ordinal", "key"]).to_pylist()
    start = 0
    for shard, record in recorded(paths, dataset, encoder).items():
        rows = slice(start, start + record.rows_out)
        start = rows.stop
        pairs = {"image": unit(queries.image(rows), others.image()), "text": unit(queries.text(rows), others.text())}
        side_columns = queries.table(["ordinal", "key"]).slice(rows.start, record.rows_out)
        publish_matches(
            paths,
            ordinal_N=side_columns["ordinal"].to_pylist(),
            keys=side_columns["key"].to_pylist(),
            matches={name: _matches(x_ND @ y_MD.T, names, k) for name, (x_ND, y_MD) in pairs.items()},
            dataset=dataset,
            encoder=encoder,
            reference=reference,
            shard=shard,
            rows_sha256=record.output["sha256"],
            reference_hash=reference_hash(paths, reference, encoder),
            layout_hash="l",
            weights_sha256=record.weights_sha256,
            probes=None,
            k=k,
        )


def unit(*sides: Any) -> list[Any]:
    return [unit_rows(x_ND, "float32")[0] for x_ND in sides]


def _matches(cosine_NM: Any, names: list[dict[str, Any]], k: int) -> Matches:
    best_NK = np.argsort(-cosine_NM, axis=1, kind="stable")[:, :k]
    identity = {key: np.array([[names[i][key] for i in row] for row in best_NK], dtype=object) for key in ("shard", "ordinal", "key")}
    return Matches(
        cosine_NK=np.take_along_axis(cosine_NM, best_NK, axis=1),
        shard_NK=identity["shard"],
        ordinal_NK=identity["ordinal"].astype(np.int64),
        key_NK=identity["key"],
        count_N=np.full(len(best_NK), best_NK.shape[1]),
    )


def dedupe_job(root: Path, dataset: str = "d", reference: str = "r", *, encoder: str = "e", **settings: Any) -> DedupeJob:
    return DedupeJob(
        root=str(root),
        dataset=DatasetConfig(name=dataset),
        reference=DatasetConfig(name=reference),
        encoder=EncoderConfig(name=encoder),
        dedupe=DedupeConfig(**settings),
    )


def summary_of(root: Path, dataset: str = "d", reference: str = "r", encoder: str = "e") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "dedupe" / dataset / encoder / reference / "summary.json").read_text())
    return found


def gone(root: Path, dataset: str = "d", reference: str = "r", encoder: str = "e") -> set[int]:
    """Rows of the data set that the view lacks."""
    keys = EmbeddingSet(str(root), dataset, encoder).table(["shard", "key"]).to_pylist()
    kept = EmbeddingSet(str(root), f"{dataset}-minus-{reference}", encoder).table(["shard", "key"]).to_pylist()
    return {row for row, key in enumerate(keys) if key not in kept}
