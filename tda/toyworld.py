"""The embedded data set: drawn scenes with captions, as WebDataset shards in img2dataset's layout.

Every pair is a pure function of (style, seed, index): shards have the same bytes whoever writes them, in any order, and a copy of another
set's pair needs only that set's configuration.

    <folder>/00000.tar            000000000.jpg, .txt, .json, 000000001.jpg, ...
    <folder>/00000_stats.json     written last: a shard without it is drawn again
    <folder>/toy.json             the configuration; another one under the same folder is refused
    <folder>/truth.parquet        the planted copies: place, source and kind
"""

import hashlib
import io
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image

from tda.config.datasets import DatasetConfig, ToyConfig
from tda.errors import UserError
from tda.store.files import exists, join, publish_bytes, publish_json, read_json
from tda.store.shards.writing import Member, write_tar
from tda.toycaptions import caption
from tda.toyscenes import SIDE, STYLES, Scene, draw_scene, jpeg, render

KINDS = ("exact", "reencoded", "resized", "cropped", "recaptioned")  # of planted copies
MAX_PAIRS_PER_SHARD = 10_000  # a key is five digits of shard and four of sample


@dataclass(frozen=True)
class ToyPair:
    """One JPEG and its caption."""

    jpeg: bytes
    caption: str


@dataclass(frozen=True)
class Planted:
    """A copy: pair `index` repeats pair `source` of the source set."""

    index: int
    kind: str
    source: int


def ensure_toy(dataset: DatasetConfig) -> None:
    """Draw the missing shards of a toy data set; other data sets are left alone.

    Raises UserError if `dataset.shards` is no pattern in one folder, or the folder holds a toy set of another configuration.
    """
    if dataset.toy is None:
        return
    if not isinstance(dataset.shards, str) or not dataset.shards.endswith("/*.tar"):
        raise UserError(f"dataset.shards={dataset.shards!r}: a toy data set is drawn into one folder; give FOLDER/*.tar")
    write_toy(dataset.toy, dataset.shards.removesuffix("/*.tar"))


def write_toy(toy: ToyConfig, folder: str) -> None:
    """Write the shards of `toy` under the URL `folder`; existing shards are not touched.

    Raises UserError for a configuration that cannot be drawn, or a folder with a toy set of another one.
    """
    planted = {copy.index: copy for copy in plan_copies(toy)}
    if toy.pairs_per_shard > MAX_PAIRS_PER_SHARD:
        raise UserError(f"dataset.toy.pairs_per_shard={toy.pairs_per_shard} is too large; keys have room for {MAX_PAIRS_PER_SHARD}")
    _claim(toy, folder)
    if planted and not exists(join(folder, "truth.parquet")):
        publish_bytes(join(folder, "truth.parquet"), _truth(toy, list(planted.values())))
    for shard in range(math.ceil(toy.pairs / toy.pairs_per_shard)):
        if not exists(join(folder, f"{shard:05d}_stats.json")):
            _write_shard(toy, planted, shard, folder)


def toy_pair(toy: ToyConfig, index: int, copy: Planted | None = None) -> ToyPair:
    """Pair `index` of the set `toy`: a new scene, or the planted copy."""
    if copy is not None:
        return _copied(toy, copy)
    rng = _rng(toy, index)
    style = STYLES[toy.style]
    scene = draw_scene(style, rng)
    return ToyPair(jpeg(render(scene, style)), caption(scene, toy.style, rng))


def scenes_of(toy: ToyConfig, indices: Sequence[int]) -> list[Scene]:
    """What these pairs of a set show; of a planted copy the scene that it repeats."""
    copies = {copy.index: copy.source for copy in plan_copies(toy)}
    places = [(source_of(toy), copies[index]) if index in copies else (toy, index) for index in indices]
    return [draw_scene(STYLES[source.style], _rng(source, place)) for source, place in places]


def plan_copies(toy: ToyConfig) -> list[Planted]:
    """The planted copies: at random pairs of the set, every kind equally often, no source twice.

    Raises UserError if there are more copies than pairs in this set or the source, or no source is configured.
    """
    if not toy.duplicates:
        return []
    source = source_of(toy)
    if not 0 <= toy.duplicates <= min(toy.pairs, source.pairs):
        raise UserError(f"dataset.toy.duplicates={toy.duplicates} is out of range; 0 to {min(toy.pairs, source.pairs)} pairs can be copies")
    rng = random.Random(f"copies/{toy.style}/{toy.seed}")
    indices, sources = rng.sample(range(toy.pairs), toy.duplicates), rng.sample(range(source.pairs), toy.duplicates)
    copies = [Planted(i, KINDS[k % len(KINDS)], s) for k, (i, s) in enumerate(zip(indices, sources, strict=True))]
    return sorted(copies, key=lambda copy: copy.index)


def source_of(toy: ToyConfig) -> ToyConfig:
    """The configuration of the set that `toy` copies from. Raises UserError if it is missing or invalid, or itself has copies."""
    given = toy.duplicates_of
    try:
        source = given if isinstance(given, ToyConfig) else ToyConfig(**given)
    except TypeError:
        raise UserError(
            f"dataset.toy.duplicates_of={given!r} is no toy configuration; give style, pairs and seed of the set to copy from"
        ) from None
    if source.duplicates:
        raise UserError("dataset.toy.duplicates_of itself has duplicates; copies of copies are not drawn")
    return source


def _rng(toy: ToyConfig, index: int, purpose: str = "pair") -> random.Random:
    return random.Random(f"{purpose}/{toy.style}/{toy.seed}/{index}")


def _copied(toy: ToyConfig, copy: Planted) -> ToyPair:
    source = source_of(toy)
    pair, rng = toy_pair(source, copy.source), _rng(toy, copy.index, copy.kind)
    if copy.kind == "exact":
        return pair
    if copy.kind == "recaptioned":
        return ToyPair(pair.jpeg, _other_caption(source, copy.source, pair.caption, rng))
    return ToyPair(_altered(pair.jpeg, copy.kind, rng), pair.caption)


def _altered(data: bytes, kind: str, rng: random.Random) -> bytes:
    image: Image.Image = Image.open(io.BytesIO(data))
    if kind == "resized":
        side = rng.choice((SIDE * 3 // 4, SIDE * 5 // 4, SIDE * 3 // 2))
        image = image.resize((side, side), Image.Resampling.BICUBIC)
    if kind == "cropped":
        side = SIDE - rng.randint(4, 8)
        left, top = rng.randint(0, SIDE - side), rng.randint(0, SIDE - side)
        image = image.crop((left, top, left + side, top + side))
    return jpeg(image, quality=rng.randint(60, 80))


def _other_caption(source: ToyConfig, index: int, old: str, rng: random.Random) -> str:
    scene = draw_scene(STYLES[source.style], _rng(source, index))
    while (new := caption(scene, source.style, rng)) == old:
        pass  # wording is varied enough that a second draw differs nearly always
    return new


def _claim(toy: ToyConfig, folder: str) -> None:
    """Record the folder's configuration, or refuse it: shards of two configurations must not be mixed."""
    url, ours = join(folder, "toy.json"), _plain(toy)
    if not exists(url):
        publish_json(url, ours)
    elif (theirs := read_json(url)) != ours:
        differing = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
        reported = ", ".join(f"{key} {theirs.get(key)!r} there, {ours.get(key)!r} here" for key in differing)
        raise UserError(f"{folder} holds another toy data set: {reported}; use another root, or remove it")


def _plain(toy: ToyConfig) -> dict[str, Any]:
    source = asdict(source_of(toy)) if toy.duplicates else None
    return {**asdict(toy), "duplicates_of": source}


def _key(toy: ToyConfig, index: int) -> tuple[str, int, str]:
    """Shard name, ordinal in it, and img2dataset's key of a pair."""
    shard, ordinal = divmod(index, toy.pairs_per_shard)
    return f"{shard:05d}", ordinal, f"{shard:05d}{ordinal:04d}"


def _write_shard(toy: ToyConfig, planted: dict[int, Planted], shard: int, folder: str) -> None:
    start = shard * toy.pairs_per_shard
    indices = range(start, min(start + toy.pairs_per_shard, toy.pairs))
    buffer = io.BytesIO()
    write_tar(buffer, (member for index in indices for member in _members(toy, index, toy_pair(toy, index, planted.get(index)))))
    publish_bytes(join(folder, f"{shard:05d}.tar"), buffer.getvalue())
    publish_json(join(folder, f"{shard:05d}_stats.json"), _stats(len(indices)))


def _members(toy: ToyConfig, index: int, pair: ToyPair) -> Iterator[Member]:
    key = _key(toy, index)[2]
    meta = _meta(pair, key, f"toy://{toy.style}/{toy.seed}/{index}.jpg")
    yield f"{key}.jpg", pair.jpeg
    yield f"{key}.txt", pair.caption.encode()
    yield f"{key}.json", json.dumps(meta, indent=4).encode()


def _meta(pair: ToyPair, key: str, url: str) -> dict[str, Any]:
    """The fields of img2dataset's side file."""
    width, height = Image.open(io.BytesIO(pair.jpeg)).size
    return {
        "caption": pair.caption,
        "url": url,
        "key": key,
        "status": "success",
        "error_message": None,
        "width": width,
        "height": height,
        "original_width": width,
        "original_height": height,
        "sha256": hashlib.sha256(pair.jpeg).hexdigest(),
    }


def _stats(count: int) -> dict[str, Any]:
    """The fields of img2dataset's shard statistics; its times are constant."""
    return {
        "count": count,
        "successes": count,
        "failed_to_download": 0,
        "failed_to_resize": 0,
        "duration": 0.0,
        "start_time": 0.0,
        "end_time": 0.0,
        "status_dict": {"success": count},
    }


def _truth(toy: ToyConfig, copies: list[Planted]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    source, names = source_of(toy), ("shard", "ordinal", "key")
    rows = [
        {
            **dict(zip(names, _key(toy, copy.index), strict=True)),
            "kind": copy.kind,
            **{f"source_{name}": value for name, value in zip(names, _key(source, copy.source), strict=True)},
        }
        for copy in copies
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()
