"""Views: `<name>-minus-<reference>` is a selection of the rows of `<name>`, those that `jobs.dedupe` kept.

By another rule or threshold than its own it is `<name>-minus-<reference>@<label>`, such as `coco-minus-laion@image-0.9`; the label of its
own finds it too.

K rows kept of a shard. `kept.parquet` lists them in the order of the set: shard, ordinal, and `row`, the index in the shard's Parquet; the
rows of a large set lie in parts (`tda.store.datasets.kept_parts`). `summary.json`, written last, is the record: without it the view does
not exist.
"""

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tda.errors import UserError
from tda.store.datasets.selections import selection_of
from tda.store.documents import read_document, seal_holds
from tda.store.files import exists, file_sha256, filesystem, give_name, join, staged
from tda.store.paths import RootPaths, label_of
from tda.store.update import update_json

MINUS = "-minus-"
FILTERED = "filtered"  # how the names of views by jobs.filter begin, where no other is given
SCHEMA_VERSION = 1
ROW_GROUP = 131_072
META_KEY = b"lacuna"
VECTORS = ("image", "text")
EXACT = ("url", "caption")  # the default of dedupe.exact

SCHEMA = pa.schema(
    [
        pa.field("shard", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("ordinal", pa.int64(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
    ]
)


class Kept(NamedTuple):
    """The kept rows of one shard, both (K,): ordinals, and indices in the shard's Parquet."""

    shard: str
    ordinal_K: NDArray[np.int64]
    row_K: NDArray[np.int64]


@dataclass(frozen=True)
class View:
    """`base` less what `reference` holds. A base may be a view itself."""

    base: str
    reference: str

    @property
    def name(self) -> str:
        return f"{self.base}{MINUS}{self.reference}"

    @property
    def plain(self) -> "View":
        """The view without a label."""
        return View(self.base, label_of(self.reference)[0])

    def labelled(self, label: str) -> "View":
        return View(self.base, f"{self.plain.reference}@{label}")


def label(settings: Mapping[str, Any]) -> str:
    """The rule of these settings, its threshold (of both modalities, where they differ), and what else is not the default.

    `image-0.95`, `both-0.9-0.8`, `image-0.95-exact.url`, `image-0.95-self`.
    """
    rule = str(settings["rule"])
    each = {name: settings["threshold"] if settings.get(f"{name}_threshold") is None else settings[f"{name}_threshold"] for name in VECTORS}
    used = [repr(float(each[name])) for name in VECTORS if rule in (name, "both", "either")]
    exact = list(settings.get("exact", EXACT))
    more = [] if exact == list(EXACT) else [f"exact.{'.'.join(exact) or 'none'}"]
    more += ["self"] if settings.get("self") else []
    more += [f"keep.{settings['keep']}"] if settings.get("keep", "first") != "first" else []
    return "-".join([rule, *dict.fromkeys(used), *more])


def standing(paths: RootPaths, view: View, encoder: str) -> View:
    """Where a view is: at its label, or at the place of the plain one, if that was made by these settings."""
    wanted = label_of(view.reference)[1]
    if not wanted or exists(paths.dedupe_summary(view.base, encoder, view.reference)):
        return view
    return view.plain if made_by(paths, view.plain, encoder) == wanted else view


def made_by(paths: RootPaths, view: View, encoder: str) -> str | None:
    """The label of the settings that a view was made by; None where there is none."""
    try:
        return label(read_document(paths.dedupe_summary(view.base, encoder, view.reference))["settings"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def view_of(name: str) -> View | None:
    """The view of a name `<base>-minus-<reference>`; None for any other name, as that of a selection. The last `-minus-` counts."""
    base, minus, reference = name.rpartition(MINUS)
    return View(base, reference) if minus and base and reference and selection_of(name) is None else None


def recorded_name(name: str) -> str:
    """The data set at the root of a chain of views and selections: the one that was embedded."""
    chosen = view_of(name) or selection_of(name)
    return name if chosen is None else recorded_name(chosen.base)


def command_for(paths: RootPaths, view: View, encoder: str) -> str:
    """The command that makes a view; of a label its rule and threshold."""
    reference, wanted = label_of(view.reference)
    filters = _filters_of(paths, view, encoder)
    if filters is not None:
        return f"python -m jobs.filter dataset.name={view.base} encoder.name={encoder} root={paths.root} {filters}"
    found = re.match(r"(\w+)-(-?[0-9.]+)", wanted)
    settings = f" dedupe.rule={found[1]} dedupe.threshold={found[2]}" if found else ""
    return f"python -m jobs.dedupe dataset.name={view.base} reference.name={reference} encoder.name={encoder} root={paths.root}{settings}"


def _filters_of(paths: RootPaths, view: View, encoder: str) -> str | None:
    """The words that make a view by `jobs.filter` again; of one that is not there, what its name says; None for any other view."""
    named = f"filter.name={view.reference}"
    try:
        made = read_document(paths.dedupe_summary(view.base, encoder, view.reference))
        filters, by = dict(made["filter"]), made["by"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{named} filter.FILTER=VALUE" if view.reference.split(".")[0] == FILTERED else None
    words = [f"filter.{name}={value}" for name, value in filters.items()]
    return " ".join([named, *words, *([f"filter.by={by}"] if by != encoder else [])])


def content_hash(content: Any) -> str:
    """SHA-256 of the canonical JSON of plain values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_summary(paths: RootPaths, view: View, encoder: str) -> dict[str, Any]:
    """The summary of a view by `jobs.dedupe`. Raises UserError if it is missing or cannot be read."""
    view = standing(paths, view, encoder)
    url = paths.dedupe_summary(view.base, encoder, view.reference)
    try:
        summary = read_document(url)
    except FileNotFoundError:
        raise UserError(f"{view.name} is not made yet for encoder.name={encoder}: {command_for(paths, view, encoder)}") from None
    except ValueError as error:
        raise UserError(f"{url} is not JSON: {error}; {command_for(paths, view, encoder)}") from None
    if summary.get("schema") != SCHEMA_VERSION:
        raise UserError(f"{url} is not of schema {SCHEMA_VERSION}; {command_for(paths, view, encoder)}")
    if not isinstance(summary.get("inputs"), dict) or not isinstance(summary.get("kept_per_shard"), dict):
        raise UserError(f"{url} lacks fields; {command_for(paths, view, encoder)}")
    return summary


class KeptRows:
    """The rows that a view keeps of its base, shard by shard.

    Raises UserError if the view is not made yet, was made from rows of another digest than `base_digest`, or its files do not match.
    """

    def __init__(self, paths: RootPaths, view: View, encoder: str, base_digest: str, shards: list[str]) -> None:
        view = standing(paths, view, encoder)
        self._url = paths.kept(view.base, encoder, view.reference)
        self._folder = paths.dedupe_dir(view.base, encoder, view.reference)
        self._again = f"again: {command_for(paths, view, encoder)}"
        self.summary = read_summary(paths, view, encoder)
        if self.summary["inputs"]["rows"] != base_digest:
            raise UserError(f"{self._url} is stale: {view.base} has other rows by {encoder} now; make it {self._again}")
        self.content = str(self.summary["content"])
        counts = self.summary["kept_per_shard"]
        self.counts = [int(counts.get(shard, 0)) for shard in shards]
        self._begin = [0, *accumulate(self.counts)]
        self._parts = parts_in(self.summary, len(shards), paths.dedupe_summary(view.base, encoder, view.reference))
        self._firsts = [first for _, first, _ in self._parts]
        self._metadata: dict[str, pq.FileMetaData] = {}

    def rows(self, index: int) -> NDArray[np.int64]:
        """(K,) indices in the Parquet of shard `index`, ascending; only their row groups are read."""
        start, stop = self._begin[index], self._begin[index + 1]
        if start == stop:
            return np.empty(0, dtype=np.int64)
        name, first, behind = self._parts[bisect_right(self._firsts, index) - 1]
        begin = self._begin[first]
        return np.concatenate(list(self._read(name, self._begin[behind] - begin, start - begin, stop - begin)))

    def _read(self, name: str, rows: int, start: int, stop: int) -> Iterator[NDArray[np.int64]]:
        """Rows `start` .. `stop` - 1 of a file that has `rows`."""
        from tda.store.commit.parquet import is_damage, iter_rows

        url, known = join(self._folder, name), self._metadata.get(name)
        fs, path = filesystem(url)
        try:
            with fs.open(path, "rb") as source, pq.ParquetFile(source, metadata=known, page_checksum_verification=True) as file:
                self._check(name, file, rows)
                for batch in iter_rows(file, ["row"], start, stop):
                    yield batch.column("row").to_numpy()
        except (OSError, pa.ArrowInvalid) as error:
            if not is_damage(error):
                raise
            raise UserError(f"{url} cannot be read ({str(error).splitlines()[0]}); make it {self._again}") from None

    def _check(self, name: str, file: pq.ParquetFile, rows: int) -> None:
        if name in self._metadata:
            return
        url = join(self._folder, name)
        written = {**(file.schema_arrow.metadata or {}), **(file.metadata.metadata or {})}.get(META_KEY, b"{}")
        if json.loads(written).get("content") != self.content or file.metadata.num_rows != rows:
            raise UserError(f"{url} does not match its summary.json; make it {self._again}")
        if seal_holds(self.summary) is False:
            raise UserError(f"the summary.json of {url} was changed after it was written; make it {self._again}")
        self._metadata[name] = file.metadata


def parts_in(summary: Mapping[str, Any], shards: int, url: str) -> list[tuple[str, int, int]]:
    """(file, first shard, the one behind the last) of each part, in order; of a view of one file that file. Raises UserError."""
    if "parts" not in summary:
        return [("kept.parquet", 0, shards)]
    found, files, at = summary["parts"], summary.get("files", {}), 0
    try:
        parts = [(str(name), int(first), int(stop)) for name, first, stop in found]
    except (TypeError, ValueError):
        raise UserError(f"{url}: its parts are no list of files and shards") from None
    for name, first, stop in parts:
        if first != at or stop <= first or name not in files:
            raise UserError(f"{url}: its parts do not follow one another at {name!r}")
        at = stop
    if at != shards:
        raise UserError(f"{url}: its parts hold {at} of {shards} shards")
    return parts


def publish_kept(paths: RootPaths, view: View, encoder: str, kept: Iterator[Kept], summary: dict[str, Any]) -> dict[str, Any]:
    """Write kept.parquet, then summary.json, which gains `kept_per_shard`, `rows_kept` and the file's sha256 and bytes.

    Of two commands that decide the same view, the one whose summary comes last has also published the last rows.
    """
    counts: dict[str, int] = {}
    url = paths.kept(view.base, encoder, view.reference)
    with staged(url, lambda file: write_kept(file, content=summary["content"], kept=kept, counts=counts)) as finished:
        entry = {"sha256": file_sha256(finished), "bytes": finished.stat().st_size}
        whole = {
            "schema": SCHEMA_VERSION,
            **summary,
            "rows_kept": sum(counts.values()),
            "kept_per_shard": counts,
            "files": {"kept.parquet": entry},
        }

        def change(_: dict[str, Any] | None) -> dict[str, Any]:
            give_name(finished, url, once=False)
            return whole

        return update_json(paths.dedupe_summary(view.base, encoder, view.reference), change) or whole


def write_kept(
    file: Any, *, content: str, kept: Iterable[Kept], counts: dict[str, int], more: Callable[[], Mapping[str, Any]] | None = None
) -> None:
    """Write kept rows, and fill `counts` by shard. A row group holds many shards, so that a set of 1e5 shards has few row groups.

    `more`: metadata of the file, asked for when all rows are written.
    """
    held: list[pa.RecordBatch] = []
    schema = SCHEMA if more else SCHEMA.with_metadata({META_KEY: json.dumps({"content": content}).encode()})
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        for shard, ordinal_K, row_K in kept:
            counts[shard] = len(row_K)
            names = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(row_K), np.int32)), pa.array([shard]))
            held.append(pa.RecordBatch.from_arrays([names, pa.array(ordinal_K), pa.array(row_K)], schema=schema))
            if sum(map(len, held)) >= ROW_GROUP:
                writer.write_table(pa.Table.from_batches(held).unify_dictionaries())
                held.clear()
        if held:
            writer.write_table(pa.Table.from_batches(held).unify_dictionaries())
        if more:
            writer.add_key_value_metadata({META_KEY: json.dumps(more()).encode()})
