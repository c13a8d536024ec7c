"""Closest rows beside a planted report: cosines drawn around a centre of each (data set, modality)."""

from pathlib import Path
from typing import Any

import numpy as np

from tda.store.commit.records import Identity, recorded
from tda.store.commit.rows import Rows
from tda.store.commit.transaction import publish_shard
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.nearest import Matches, publish_matches, reference_hash
from tda.store.paths import RootPaths
from tda.store.types import Source

CENTRES = {"toy_heldout": (0.93, 0.96), "toy_shifted": (0.78, 0.90)}  # image, text
M = 50


def plant_reference(root: Path | str, encoder: str, name: str = "toy_train", seed: int = 0) -> None:
    """A reference of M rows, of the weights that planted cells have."""
    vectors = np.random.default_rng(seed).normal(size=(M, 8))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    captions = [f"a training caption <b>{row}</b>" for row in range(M)]
    rows = Rows(ordinals=range(M), keys=[f"{row:06}" for row in range(M)], captions=captions, image_ND=unit, text_ND=unit)
    identity = Identity(encoder=encoder, weights_sha256="ab" * 32, preprocessing={}, dtype="float32")
    source = Source(path="/gone/00000.tar", size=1, etag="1")
    publish_shard(RootPaths(str(root)), name, encoder, "00000", rows=rows, drops=[], identity=identity, source=source)


def plant_nearest(
    root: Path | str, dataset: str, encoder: str, *, reference: str = "toy_train", centres: Any = None, seed: int = 0
) -> None:
    """Matches of every row of a data set that is there; the reference too."""
    plant_reference(root, encoder, reference)
    paths, rows = RootPaths(str(root)), EmbeddingSet(str(root), dataset, encoder)
    rng = np.random.default_rng([seed, *dataset.encode(), *encoder.encode()])
    image, text = centres or CENTRES[dataset]
    for shard, record in recorded(paths, dataset, encoder).items():
        n = record.rows_out
        side = rows.table(["ordinal", "key"])
        publish_matches(
            paths,
            ordinal_N=side["ordinal"].to_pylist(),
            keys=side["key"].to_pylist(),
            matches={"image": _drawn(rng, n, image), "text": _drawn(rng, n, text)},
            dataset=dataset,
            encoder=encoder,
            reference=reference,
            shard=shard,
            rows_sha256=record.output["sha256"],
            reference_hash=reference_hash(paths, reference, encoder),
            layout_hash="l",
            weights_sha256=record.weights_sha256,
            probes=None,
            k=1,
        )


def _drawn(rng: np.random.Generator, n: int, centre: float) -> Matches:
    ordinal_N1 = rng.integers(0, M, (n, 1))
    return Matches(
        cosine_NK=np.clip(rng.normal(centre, 0.03, (n, 1)), -1, 1),
        shard_NK=np.full((n, 1), "00000", dtype=object),
        ordinal_NK=ordinal_N1,
        key_NK=np.char.zfill(ordinal_N1.astype(str), 6).astype(object),
        count_N=np.ones(n, dtype=int),
    )
