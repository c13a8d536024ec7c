"""The schema of `conf/dataset`: which pairs are read."""

from dataclasses import dataclass, field
from typing import Any

from tda.config.fields import MISSING, Checked, bounded
from tda.errors import UserError


@dataclass(kw_only=True)
class ToyConfig(Checked, path="dataset.toy"):
    """A drawn data set: see `tda.toyworld`."""

    style: str = bounded("plain", choices=("plain", "shifted"))  # shifted: other palette, other backgrounds, longer captions
    pairs: int = bounded(2000, least=1)
    pairs_per_shard: int = bounded(1000, least=1)
    seed: int = bounded(0, least=0)
    duplicates: int = bounded(0, least=0)  # planted copies of `duplicates_of`, the same number of each kind
    duplicates_of: Any = None  # the ToyConfig (as a mapping) of the data set that is copied from


FORMATS = ("webdataset", "folder", "coco", "list", "parquet_bytes")


@dataclass(kw_only=True)
class DatasetConfig(Checked, path="dataset"):
    """Pairs to embed. `shards` is a path, a brace pattern, a glob, a list of these, or `@file` of lines."""

    name: str = MISSING
    shards: Any = None
    members: Any = None  # of a tar: {image: [input.jpg], caption: [caption, json:TEXT]}; null: jpg, png, ... with txt or json's caption
    modalities: list[str] = field(default_factory=lambda: ["image", "text"])
    toy: ToyConfig | None = None  # drawn under the root when its shards are not there yet
    format: str = bounded("webdataset", choices=FORMATS)  # webdataset: tars, or two texts a pair; the others are cut into units
    images: str | None = None  # coco: the folder or zip of the pictures; list: the folder where its names begin, null: the list's own
    columns: Any = None  # of a list or table: {image: filepath, caption: title, key: uid, url: url}; null: the names in common use
    rows_per_shard: int = bounded(10_000, least=1, most=1_000_000)  # pairs of a unit, where the format is not webdataset
    published: dict[str, str | None] = field(
        default_factory=dict
    )  # URL of a file -> its sha256, null where none is published; for jobs.fetch
    keep: str | None = None  # @file of pairs, one a line, a key or SHARD<tab>ORDINAL: the job is of these alone, as <name>-only-<digits>
    source: str | None = None  # how the data set is published, where that is no file
    pairs: int | None = bounded(None, least=0)  # approximate number of pairs, for jobs.plan
    pair_bytes: int | None = bounded(None, least=0)  # approximate bytes of a pair in its shard, for jobs.plan

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.modalities) != 2:
            raise UserError(f"dataset.modalities={self.modalities} names {len(self.modalities)} modalities; a pair has 2")
