"""Data sets of given vectors, recorded as an embedding run would have."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from tda.store.commit.records import Identity
from tda.store.commit.rows import Rows, unit_rows
from tda.store.commit.transaction import publish_shard
from tda.store.files import filesystem
from tda.store.paths import RootPaths
from tda.store.types import Source


def forget_set(root: Path, dataset: str, encoder: str) -> None:
    """Remove what is recorded under these names, else the first record of a shard would win."""
    fs, folder = filesystem(RootPaths(str(root)).embeddings_dir(dataset, encoder))
    if fs.exists(folder):
        fs.rm(folder, recursive=True)


def write_set(
    root: Path,
    dataset: str,
    image_ND: Any,
    text_ND: Any,
    *,
    dtype: str = "float16",
    encoder: str = "tiny",
    shards: int = 3,
    modalities: tuple[str, str] = ("image", "text"),
) -> None:
    """Record pairs in shards of unequal size, in place of what is recorded under these names."""
    forget_set(root, dataset, encoder)
    identity = Identity(encoder=encoder, weights_sha256="ab" * 32, preprocessing={}, dtype=dtype, modalities=modalities)
    cuts = np.linspace(0, 1, shards + 1) ** 1.5 * len(image_ND)
    for shard, (start, stop) in enumerate(itertools.pairwise(cuts.astype(int).tolist())):
        n = stop - start
        image_BD, text_BD = (unit_rows(x[start:stop], dtype)[0] for x in (image_ND, text_ND))
        names = [f"{i:06d}" for i in range(n)]
        rows = Rows(ordinals=list(range(n)), keys=names, captions=names, image_ND=image_BD, text_ND=text_BD)
        source = Source(path=f"/data/{shard:05d}.tar", size=n, etag=None)
        publish_shard(RootPaths(str(root)), dataset, encoder, f"{shard:05d}", rows=rows, drops=[], identity=identity, source=source)


def spoil(root: Path, dataset: str, image_D: Any, encoder: str = "tiny") -> None:
    """Turn the image row of this direction into NaN where it is stored (float16)."""
    row = unit_rows(image_D[None, :], "float16")[0].tobytes()
    for file in (root / "embeddings" / dataset / encoder).glob("*.parquet"):
        data = file.read_bytes()
        file.write_bytes(data.replace(row, np.full(len(row) // 2, np.nan, np.float16).tobytes()))
        if row in data:
            return
    raise AssertionError("no such row is stored")


def paired_spaces(n: int = 120, *, gap: float, seed: int = 0) -> tuple[Any, Any]:
    """Images and texts of eight shared centres, `gap` apart on either side; other seeds give other noise about the same centres."""
    rng = np.random.default_rng(0)
    shared_ND = rng.standard_normal((8, 12))[rng.integers(8, size=n)] + 0.2 * rng.standard_normal((n, 12))
    own = np.random.default_rng(seed)
    return tuple(shared_ND + side * gap + 0.15 * own.standard_normal((n, 12)) for side in (1, -1))  # type: ignore[return-value] # two
