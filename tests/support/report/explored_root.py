"""A root to explore: pictures in tars, layouts whose points stand where a test looks for them, two models, three checkpoints of a run.

P pairs in two shards. Pair `p` of model CLIP has its image at `front(p)` and its text at the antipode; CLOOB's is at the image.
"""

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from planted_files import write
from repeated_rows import join_exactly

from tda.config.stages import ReportConfig
from tda.store.commit.records import Identity
from tda.store.commit.rows import Rows, unit_rows
from tda.store.commit.transaction import publish_shard
from tda.store.paths import RootPaths
from tda.store.shards.webdataset import check_archive

P, HALF, D, K = 60, 30, 16, 3
DATASET, TRAIN, RUN = "world", "seen", "arm"
MODELS = ("clip", "cloob")
STEPS = (100, 200, 300)
PLANTED, HOSTILE = 7, 11  # pairs: one at the middle of the sphere with a picture of its own, one with hostile words
COLOUR = (250, 20, 160)  # of the planted picture
WORDS = ("red square", "green disc", "blue ring")  # of cluster 0, 1, 2
HOSTILE_WORDS = (
    "<img src=x onerror=\"document.title='taken'\"> \u202egnp 'quoted' \"twice\" </script><script>document.title='taken'</script>"
)
STRANGE_KEY = "=cmd|'/c calc'!A1<b>"
CONFIG = ReportConfig(models={"clip": "CLIP", "cloob": "CLOOB"}, contact=0, picture_side=32)


def caption(pair: int) -> str:
    return HOSTILE_WORDS if pair == HOSTILE else f"a {WORDS[pair % K]} number {pair} on a table"


def front(pair: int) -> Any:
    """A unit vector: the planted pair faces the viewer, the others lie on a ring around it, 40 degrees away."""
    if pair == PLANTED:
        return np.array([0.0, 0.0, 1.0])
    angle, away = 2 * np.pi * pair / P, np.deg2rad(40)
    return np.array([np.sin(away) * np.cos(angle), np.sin(away) * np.sin(angle), np.cos(away)])


def plant_explored(
    root: Path | str, *, models: Sequence[str] = MODELS, captions: bool = True, layout: bool = True, tars: bool = True
) -> str:
    """Everything that the explorer reads; without captions, layouts or tars where a test asks for it."""
    if tars:
        for shard, pairs in _shards():
            _write_tar(Path(root) / "shards" / DATASET / f"{shard}.tar", pairs)
    rng = np.random.default_rng(0)
    image_PD = unit_rows(rng.standard_normal((P, D)))[0]
    for place, model in enumerate(models):
        noise = 0.05 + 0.5 * place
        text_PD = unit_rows(image_PD + noise * rng.standard_normal((P, D)))[0]
        _embed(root, DATASET, model, (image_PD, text_PD), captions=captions, tars=tars)
        _analyse(root, model, _spread(place) if layout else None, image_PD, text_PD)
    return str(root)


def plant_reference(root: Path | str, model: str = MODELS[0]) -> None:
    """The closest rows of the data set in a training set that holds the planted pair's very vectors."""
    from tda.store.datasets.embedding_set import EmbeddingSet

    own = EmbeddingSet(str(root), DATASET, model)
    image_PD, text_PD = own.image(), own.text()
    identity = Identity(encoder=model, weights_sha256="ab" * 32, preprocessing={}, dtype="float32")
    rows = Rows(
        ordinals=range(3),
        keys=list("abc"),
        captions=["first seen", "seen in training", "third seen"],
        image_ND=image_PD[[3, PLANTED, 5]],
        text_ND=text_PD[[3, PLANTED, 5]],
    )
    publish_shard(RootPaths(str(root)), TRAIN, model, "00000", rows=rows, drops=[], identity=identity, source=_nowhere())
    join_exactly(Path(root), DATASET, TRAIN, encoder=model)


def plant_checkpoints(root: Path | str) -> list[Any]:
    """A watched run whose layout drifts, each step's turned at random; returns the layouts (2, P, 3) before they were turned."""
    rng = np.random.default_rng(1)
    image_PD = unit_rows(rng.standard_normal((P, D)))[0]
    drifted = []
    for place, step in enumerate(STEPS):
        turn_33, _ = np.linalg.qr(rng.standard_normal((3, 3)))
        layout_2P3 = _spread(1) + 0.04 * place
        drifted.append(layout_2P3 / np.linalg.norm(layout_2P3, axis=-1, keepdims=True))
        model = f"{RUN}@{step}"
        _embed(root, DATASET, model, (image_PD, image_PD))
        _analyse(root, model, drifted[-1] @ turn_33, image_PD, image_PD)
    rows = [
        {"label": f"step_{step}.pt", "step": step, "encoder": f"{RUN}@{step}", "state": "succeeded", "reason": "", "attempts": 1}
        for step in STEPS
    ]
    folder = Path(root) / "watch" / RUN
    folder.mkdir(parents=True)
    (folder / "checkpoints.json").write_text(json.dumps({"schema": 1, "name": RUN, "datasets": [DATASET], "checkpoints": rows}))
    return drifted


def _shards() -> list[tuple[str, range]]:
    return [("00000", range(HALF)), ("00001", range(HALF, P))]


def picture(pair: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), COLOUR if pair == PLANTED else (4 * pair % 200, 120, 60)).save(out, "PNG")
    return out.getvalue()


def _write_tar(path: Path, pairs: range) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for pair in pairs:
            for name, data in ((f"{pair:06}.png", picture(pair)), (f"{pair:06}.txt", caption(pair).encode())):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def _nowhere() -> Any:
    from tda.store.types import Source

    return Source(path="00000.tar", size=1, etag="1")


def _embed(root: Path | str, dataset: str, model: str, vectors: tuple[Any, Any], *, captions: bool = True, tars: bool = True) -> None:
    identity = Identity(encoder=model, weights_sha256="ab" * 32, preprocessing={}, dtype="float32")
    for shard, pairs in _shards():
        here = slice(pairs.start, pairs.stop)
        image_ND, text_ND = (rows[here] for rows in vectors)
        keys = [STRANGE_KEY if pair == HOSTILE else f"{pair:06}" for pair in pairs]
        words = [caption(pair) if captions else "" for pair in pairs]
        rows = Rows(ordinals=range(len(pairs)), keys=keys, captions=words, image_ND=image_ND, text_ND=text_ND)
        tar = Path(root) / "shards" / dataset / f"{shard}.tar"
        source = check_archive(str(tar)) if tars and tar.exists() else _nowhere()
        publish_shard(RootPaths(str(root)), dataset, model, shard, rows=rows, drops=[], identity=identity, source=source)


def _spread(place: int) -> Any:
    """(2, P, 3): images in front; texts behind them in the first model, at them in the second."""
    image_P3 = np.array([front(pair) for pair in range(P)])
    return np.stack([image_P3, -image_P3 if place == 0 else image_P3])


def _analyse(root: Path | str, model: str, layout_2P3: Any, image_PD: Any, text_PD: Any) -> None:
    folder = Path(RootPaths(str(root)).analysis_dir(DATASET, model))
    folder.mkdir(parents=True, exist_ok=True)
    cosine_PP = image_PD @ text_PD.T
    ranks = [(part >= np.diag(part)[:, None]).sum(axis=1) for part in (cosine_PP, cosine_PP.T)]
    write(folder / "ranks.parquet", {"row": np.arange(P), "image_to_text": ranks[0], "text_to_image": ranks[1]})
    write(
        folder / "pca.parquet",
        {"row": np.arange(P)}
        | {f"{name}_pc{i + 1}": rows[:, i] for name, rows in (("image", image_PD), ("text", text_PD)) for i in range(2)},
    )
    of_rows = {"modality": np.repeat(["image", "text"], P), "row": np.tile(np.arange(P), 2)}
    label_P = np.arange(P) % K
    if layout_2P3 is not None:
        write(folder / "layout.parquet", of_rows | dict(zip("xyz", layout_2P3.reshape(-1, 3).astype(np.float32).T, strict=True)))
        write(
            folder / "clusters.parquet",
            of_rows
            | {
                "label": np.concatenate([label_P, np.where(label_P == 2, -1, label_P)]).astype(np.int32),
                "probability": np.ones(2 * P, np.float32),
            },
        )
    top1 = float((ranks[0] == 1).mean())
    table = [
        {"id": k, "size": 40 - 10 * k, "images": 20, "texts": 20 - 10 * k, "auc": 0.2 + 0.1 * k, "top1": 0.9 - 0.2 * k} for k in range(K)
    ]
    found = {"top1": top1, "top5": 1.0, "median_rank": 1.0}
    metrics = {
        "schema": 1, "dataset": DATASET, "encoder": model, "weights_sha256": "ab" * 32, "config_hash": "cd" * 32,
        "pairs": P, "dim": D, "dtype": "float32", "seed": 0, "gap": {"centroid_distance": 0.25, "relative": 0.3},
        "retrieval": {"image_to_text": found, "text_to_image": found, "pairs_used": P},
        **({"per_cluster": table} if layout_2P3 is not None else {}),
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(metrics))
