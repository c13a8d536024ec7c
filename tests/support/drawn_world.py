"""A small drawn world with shards on disk, seen by a plain eye: pixels and words projected at random, closest rows by brute force."""

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from repeated_rows import join_exactly

from tda.config.datasets import ToyConfig
from tda.store.commit.records import Identity
from tda.store.commit.rows import Rows, unit_rows
from tda.store.commit.transaction import publish_shard
from tda.store.paths import RootPaths
from tda.store.shards.webdataset import RawPair, check_archive, read_pairs
from tda.toyworld import write_toy

ENCODER = "toy_infonce"
TRAIN: dict[str, Any] = {"style": "plain", "pairs": 80, "pairs_per_shard": 40, "seed": 0}
SETS = {
    "toy_train": ToyConfig(**TRAIN),
    "toy_heldout": ToyConfig(pairs=60, pairs_per_shard=30, seed=1, duplicates=20, duplicates_of=TRAIN),  # 4 of each kind
}
DIM, SIDE = 64, 16


def plant_drawn_world(root: Path | str) -> str:
    """Draw, embed and join; returns the root."""
    for name, toy in SETS.items():
        write_toy(toy, f"{root}/shards/{name}")
        for tar in sorted((Path(root) / "shards" / name).glob("*.tar")):
            _embed(str(root), name, tar)
    join_exactly(Path(root), "toy_heldout", "toy_train", encoder=ENCODER)
    return str(root)


def _embed(root: str, dataset: str, tar: Path) -> None:
    pairs = [pair for pair in read_pairs(str(tar)) if isinstance(pair, RawPair)]
    rows = Rows(
        ordinals=[pair.ordinal for pair in pairs],
        keys=[pair.key for pair in pairs],
        captions=[pair.caption for pair in pairs],
        urls=[pair.url for pair in pairs],
        widths=[pair.width for pair in pairs],
        heights=[pair.height for pair in pairs],
        image_ND=unit_rows(np.array([_seen(pair.image) for pair in pairs]))[0],
        text_ND=unit_rows(np.array([_read(pair.caption) for pair in pairs]))[0],
    )
    identity = Identity(encoder=ENCODER, weights_sha256="ab" * 32, preprocessing={}, dtype="float32")
    publish_shard(RootPaths(root), dataset, ENCODER, tar.stem, rows=rows, drops=[], identity=identity, source=check_archive(str(tar)))


def _seen(data: bytes) -> Any:
    image = Image.open(io.BytesIO(data)).convert("RGB").resize((SIDE, SIDE))
    projection = np.random.default_rng(0).standard_normal((3 * SIDE * SIDE, DIM))
    return (np.asarray(image, dtype=float).ravel() / 255 - 0.5) @ projection


def _read(caption: str) -> Any:
    return np.sum([np.random.default_rng(zlib.crc32(word.encode())).standard_normal(DIM) for word in caption.split()], axis=0)
