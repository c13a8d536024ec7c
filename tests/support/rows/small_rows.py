"""Shards of drawn unit vectors, ready to publish."""

from typing import Any

import numpy as np

from tda.store.commit.records import Identity
from tda.store.commit.rows import Rows, unit_rows
from tda.store.types import Drop, Reason, Source, Stage

DIM = 8
SOURCE = Source("/data/00000.tar", 10_240, "etag")


def identity(dtype: str = "float16", weights: str = "w") -> Identity:
    return Identity(encoder="small", weights_sha256=weights, preprocessing={"size": 32}, dtype=dtype)


def unit(n: int, dim: int = DIM, seed: int = 0, dtype: str = "float16") -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32), dtype)[0]


def small_rows(n: int, dim: int = DIM, seed: int = 0, dtype: str = "float16", **columns: Any) -> Rows:
    """`n` rows with ordinals 0..n-1 unless `columns` say otherwise."""
    given: dict[str, Any] = {
        "ordinals": range(n),
        "keys": [f"{i:09d}" for i in range(n)],
        "captions": [f"caption {i}" for i in range(n)],
        "image_ND": unit(n, dim, seed, dtype),
        "text_ND": unit(n, dim, seed + 1, dtype),
    }
    return Rows(**{**given, **columns})


def drop(ordinal: int, reason: Reason = Reason.MISSING_CAPTION) -> Drop:
    return Drop(ordinal, f"{ordinal:09d}", Stage.READ, reason)
