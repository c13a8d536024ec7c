"""The same few pairs as a tar, a folder, COCO's files, lists and a Parquet of bytes."""

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from bad_shards import picture, write_tar

from tda.config.datasets import DatasetConfig
from tda.store.shards import IMAGE_TEXT, read_shard
from tda.store.shards.digest import Seen
from tda.store.shards.units.plan import shard_urls
from tda.store.shards.webdataset import RawPair
from tda.store.types import Drop

COUNT = 7
PAIRS = [(f"{i:06d}", picture(i), f"picture number {i}, é") for i in range(COUNT)]


def as_tar(folder: Path) -> DatasetConfig:
    tar = write_tar(
        folder / "x.tar", [(f"{key}.{end}", data) for key, image, text in PAIRS for end, data in (("jpg", image), ("txt", text.encode()))]
    )
    return DatasetConfig(name="t", shards=str(tar))


def as_folder(folder: Path) -> DatasetConfig:
    for key, image, text in PAIRS:
        (folder / f"{key}.jpg").write_bytes(image)
        (folder / f"{key}.txt").write_text(text)
    return DatasetConfig(name="f", shards=str(folder), format="folder", rows_per_shard=3)


def as_coco(folder: Path, *, zipped: bool = True) -> DatasetConfig:
    images = [{"id": i, "file_name": f"{key}.jpg", "width": 60, "height": 44} for i, (key, _, _) in enumerate(PAIRS)]
    notes: list[dict[str, Any]] = [{"image_id": i, "id": i, "caption": text} for i, (_, _, text) in enumerate(PAIRS)]
    second = [{"image_id": 0, "id": 99, "caption": "a second caption"}]
    (folder / "captions.json").write_text(json.dumps({"images": images[::-1], "annotations": [*notes, *second]}))
    place = folder / ("train.zip" if zipped else "train")
    if zipped:
        with zipfile.ZipFile(place, "w") as archive:
            for key, image, _ in PAIRS:
                archive.writestr(f"train/{key}.jpg", image)
    else:
        place.mkdir()
        for key, image, _ in PAIRS:
            (place / f"{key}.jpg").write_bytes(image)
    return DatasetConfig(name="c", shards=str(folder / "captions.json"), images=str(place), format="coco", rows_per_shard=3)


def as_list(folder: Path, ending: str) -> DatasetConfig:
    (folder / "pics").mkdir(exist_ok=True)
    for key, image, _ in PAIRS:
        (folder / "pics" / f"{key}.jpg").write_bytes(image)
    rows = [{"uid": key, "filepath": f"pics/{key}.jpg", "title": text} for key, _, text in PAIRS]
    return write_list(folder / f"list{ending}", rows)


def write_list(file: Path, rows: list[dict[str, Any]], **settings: Any) -> DatasetConfig:
    if file.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif file.suffix == ".jsonl":
        file.write_text("\n\n".join(map(json.dumps, rows)) + "\n", "utf-8-sig")
    else:
        with file.open("w", newline="", encoding="utf-8-sig") as out:
            writer = csv.DictWriter(out, list(rows[0]), delimiter="\t" if file.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return DatasetConfig(name="l", shards=str(file), format="list", rows_per_shard=3, **settings)


def as_bytes(folder: Path, *, struct: bool = True) -> DatasetConfig:
    rows = [
        {"key": key, "image": {"bytes": image, "path": f"{key}.jpg"} if struct else image, "text": [text, "another"]}
        for key, image, text in PAIRS
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "train-0.parquet", row_group_size=2)
    return DatasetConfig(name="b", shards=str(folder / "train-*.parquet"), format="parquet_bytes", rows_per_shard=3)


def read_all(root: Path, dataset: DatasetConfig, **limits: int) -> list[RawPair | Drop]:
    """Every pair and drop of a data set, over all its shards."""
    bounds = {"max_member_bytes": 67_108_864, "max_caption_bytes": 65_536, **limits}
    return [pair for url in shard_urls(str(root), dataset).values() for pair in read_shard(url, IMAGE_TEXT, **bounds)]  # type: ignore[misc]  # pictures


def digests(root: Path, dataset: DatasetConfig) -> list[str | None]:
    found = []
    for url in shard_urls(str(root), dataset).values():
        seen = Seen()
        list(read_shard(url, IMAGE_TEXT, max_member_bytes=67_108_864, max_caption_bytes=65_536, seen=seen))
        found.append(seen.sha256)
    return found


def essence(found: list[RawPair | Drop]) -> list[Any]:
    return [(one.key, one.image, one.caption) if isinstance(one, RawPair) else (one.key, one.reason) for one in found]
