"""Generated images of a root: tars with a JSON beside each, and vectors of two encoders that give them planted diversity and fidelity."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tda.store.commit.records import Identity
from tda.store.commit.rows import Rows, unit_rows
from tda.store.commit.transaction import publish_shard
from tda.store.paths import RootPaths
from tda.store.types import Source

Spread = Callable[[str, float], float]  # arm and strength -> how far images are apart, or follow the prompt
DIM = 24


def samples(prompts: int, arms: dict[str, list[float]], seeds: int) -> list[dict[str, Any]]:
    return [
        {"prompt": f"a scene of kind {prompt}", "arm": arm, "strength": strength, "seed": seed}
        for prompt in range(prompts)
        for arm, strengths in arms.items()
        for strength in strengths
        for seed in range(seeds)
    ]


def write_tar(path: Path, sides: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for number, side in enumerate(sides):
            for ending, data in (("jpg", b"\xff\xd8"), ("json", json.dumps(side).encode() if not isinstance(side, bytes) else side)):
                info = tarfile.TarInfo(f"{number:06d}.{ending}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def plant_generated(root: Path, found: list[dict[str, Any]], apart: Spread, follows: Spread) -> None:
    """Record one shard under the encoders `judge` and `other`: diversity in the first, fidelity in the second."""
    rng = np.random.default_rng(0)
    tar = root.parent / "generated.tar"
    write_tar(tar, found)
    names = list(dict.fromkeys(one["prompt"] for one in found))
    centre_PD, text_PD = (dict(zip(names, rng.standard_normal((len(names), DIM)), strict=True)) for _ in range(2))
    image, picture, text = [], [], []
    for one in found:
        mean_D, prompt_D = (x / np.linalg.norm(x) for x in (centre_PD[one["prompt"]], text_PD[one["prompt"]]))
        image.append(mean_D + apart(one["arm"], one["strength"]) * rng.standard_normal(DIM) / np.sqrt(DIM))
        noise = rng.standard_normal(DIM) - prompt_D
        noise -= (noise @ prompt_D) * prompt_D
        share = follows(one["arm"], one["strength"]) + 0.02 * rng.standard_normal()
        picture.append(share * prompt_D + np.sqrt(1 - share**2) * noise / np.linalg.norm(noise))
        text.append(prompt_D)
    for encoder, rows in (("judge", image), ("other", picture)):
        record(root, ("generated", encoder), tar, [one["prompt"] for one in found], (np.array(rows), np.array(text)))


def record(root: Path, names: tuple[str, str], tar: Path, captions: list[str], rows: tuple[Any, Any]) -> None:
    """One shard of a data set under an encoder: image and text rows with their captions."""
    dataset, encoder = names
    identity = Identity(encoder=encoder, weights_sha256="cd" * 32, preprocessing={}, dtype="float32")
    image_BD, text_BD = (unit_rows(one, "float32")[0] for one in rows)
    keys = [f"{number:06d}" for number in range(len(captions))]
    shard = Rows(ordinals=list(range(len(keys))), keys=keys, captions=captions, image_ND=image_BD, text_ND=text_BD)
    source = Source(path=str(tar), size=tar.stat().st_size if tar.exists() else len(keys), etag=None)
    publish_shard(RootPaths(str(root)), dataset, encoder, "00000", rows=shard, drops=[], identity=identity, source=source)
