"""A data set that is not in tars, cut into units of `dataset.rows_per_shard` pairs: each is a shard like any other from there on."""

from collections.abc import Iterable, Iterator
from itertools import islice

from tda.config.datasets import DatasetConfig
from tda.errors import UserError
from tda.store.files import absolute
from tda.store.paths import RootPaths
from tda.store.shards.expand import expand_shards, name_shards
from tda.store.shards.units.coco import coco_entries
from tda.store.shards.units.folder import folder_entries
from tda.store.shards.units.lists import list_entries
from tda.store.shards.units.places import Place, entries_now, table_state
from tda.store.shards.units.tables import BYTES_ALIASES, columns_of, etag_of_rows, parquet_names
from tda.store.shards.units.unit import Entry, Unit, content_of, publish_unit

DIGITS = 5  # of a unit's name


def shard_urls(root: str, dataset: DatasetConfig, field: str = "dataset.shards") -> dict[str, str]:
    """Name -> URL of every shard of a data set, in order; units are written under `root`. `field` is the setting, for messages.

    Raises UserError where nothing matches, or where a list, table or folder cannot be read.
    """
    if dataset.format == "webdataset":
        return name_shards([absolute(url) for url in expand_shards(dataset.shards, field)])
    if list(dataset.modalities) != ["image", "text"]:
        raise UserError(
            f"dataset.format={dataset.format} holds pictures with captions: dataset.modalities={dataset.modalities} is read as webdataset"
        )
    if dataset.members is not None:
        raise UserError(f"dataset.members names members of tars; dataset.format={dataset.format} has none: leave it out")
    folder = RootPaths(root).units_dir(dataset.name)
    named = {
        f"{number:0{DIGITS}d}": publish_unit(folder, f"{number:0{DIGITS}d}", unit) for number, unit in enumerate(_units(dataset, field))
    }
    if not named:
        raise UserError(f"{field}={dataset.shards!r} holds no pair of dataset.format={dataset.format}")
    return named


def _units(dataset: DatasetConfig, field: str) -> Iterator[Unit]:
    if dataset.format == "folder":
        for url in _given(dataset, field):
            yield from _cut(dataset, url, folder_entries(url))
    elif dataset.format == "coco":
        images = dataset.images and absolute(dataset.images)
        for url in _given(dataset, field):
            yield from _cut(dataset, images or "", coco_entries(url, images), archive=bool(images and images.endswith(".zip")))
    elif dataset.format == "list":
        for url in map(absolute, expand_shards(dataset.shards, field)):
            base = absolute(dataset.images) if dataset.images else _folder_of(url)
            yield from _cut(dataset, base, list_entries(url, base, _columns(dataset)))
    else:
        for url in map(absolute, expand_shards(dataset.shards, field)):
            yield from _of_table(dataset, url)


def _columns(dataset: DatasetConfig) -> dict[str, str]:
    given = {} if dataset.columns is None else dataset.columns
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given.values()):
        raise UserError(f"dataset.columns={given!r} names no columns: give {{image: NAME, caption: NAME}}")
    return given


def _folder_of(url: str) -> str:
    folder = url.rpartition("/")[0]
    return f"{folder}/" if folder.endswith(":/") else folder or "/"


def _given(dataset: DatasetConfig, field: str) -> list[str]:
    """The paths of a setting that names folders or files one by one."""
    spec = dataset.shards
    urls = spec if isinstance(spec, list) else [spec]
    if not urls or not all(isinstance(url, str) and url.strip() for url in urls):
        raise UserError(f"{field}={spec!r}: dataset.format={dataset.format} takes a path, or a list of paths")
    return [absolute(url).rstrip("/") or "/" for url in urls]


def _cut(dataset: DatasetConfig, base: str, entries: Iterable[Entry], *, archive: bool = False) -> Iterator[Unit]:
    left = iter(entries)
    while some := tuple(islice(left, dataset.rows_per_shard)):
        unit = Unit(format=dataset.format, base=base, entries=some, archive=archive)
        if dataset.format != "folder" and Place(unit).local:
            some = tuple(entries_now(unit))  # a folder's listing has said it all
        size, etag = content_of(some)
        yield Unit(format=dataset.format, base=base, entries=some, archive=archive, size=size, etag=etag)


def _of_table(dataset: DatasetConfig, url: str) -> Iterator[Unit]:
    """Units of one Parquet file: none holds rows of two, so that each opens one file."""
    names, rows = parquet_names(url)
    columns = columns_of(url, names, _columns(dataset), BYTES_ALIASES)
    size, etag = table_state(url)
    for start in range(0, rows, dataset.rows_per_shard):
        span = (start, min(start + dataset.rows_per_shard, rows))
        yield Unit(format=dataset.format, base=url, rows=span, columns=columns, size=size, etag=etag_of_rows(etag, span, columns))
