"""Check a recorded shard against its record. Every problem is one line that begins with the name of the file.

The files of a shard are read once, in batches: memory is bounded by one batch and the shard's ordinals.

Legend: B rows of a batch, N rows of a shard, D dimensions.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tda.errors import LacunaError, ShardError
from tda.store.commit.parquet import BATCH, from_binary, read_meta
from tda.store.commit.quarantine import SCHEMA
from tda.store.commit.records import ShardRecord, read_record
from tda.store.commit.rows import NORM_TOLERANCE, row_norms
from tda.store.documents import read_document, seal_holds
from tda.store.files import file_sha256, filesystem, is_local, join
from tda.store.paths import RootPaths
from tda.store.shards.changed import Standing, standing
from tda.store.shards.origins import content_sha256, reachable, source_now
from tda.store.types import VECTORS, Reason, printable
from tda.store.verify.contents import different

UNREADABLE = (OSError, pa.ArrowException, KeyError, ValueError)


@dataclass(kw_only=True)
class Checked:
    """The result of checking one shard: problems, the files that its record names, and the configuration of its folder."""

    shard: str
    problems: list[str] = field(default_factory=list)
    rows: int = 0
    drops: int = 0
    config_hash: str | None = None  # None where there is no record that can be read
    file: str | None = None
    quarantine_file: str | None = None
    replaces: list[str] = field(default_factory=list)
    unsealed: int = 0  # records of earlier versions, without a digest


def check_shard_files(paths: RootPaths, dataset: str, encoder: str, shard: str, *, deep: bool = True) -> Checked:
    """Compare the files of a recorded shard with its record, its rows with its drops, and its record with its source and digest.

    Not `deep`: sizes of files alone, and no byte of a source.
    """
    try:
        record = read_record(paths, dataset, encoder, shard)
    except ShardError as error:
        return Checked(shard=shard, problems=[f"{paths.record(dataset, encoder, shard)}: {error.reason}: {error.detail}"])
    found = Checked(
        shard=shard,
        rows=record.rows_out,
        drops=record.rows_in - record.rows_out,
        config_hash=record.config_hash,
        file=record.file,
        quarantine_file=record.quarantine_file,
        replaces=record.replaces,
    )
    if (record.dataset, record.encoder, record.shard) != (dataset, encoder, shard):
        own = f"{record.dataset}/{record.encoder}/{record.shard}"
        found.problems.append(f"{paths.record(dataset, encoder, shard)}: it is the record of {own}")
        return found
    if deep:
        ordinals = [*_check_rows(paths, record, found.problems), *_check_drops(paths, record, found.problems)]
        if not found.problems:
            found.problems += _check_ordinals(paths, record, np.concatenate([np.empty(0, np.int64), *ordinals]))
    else:
        found.problems += _check_sizes(paths, record)
    if not found.problems:
        holds = seal_holds(read_document(paths.record(dataset, encoder, shard)))
        found.unsealed = int(holds is None)
        if holds is False:
            found.problems.append(f"{paths.record(dataset, encoder, shard)}: was changed after it was written: it is not of its own sha256")
    found.problems += _check_source(paths, record, deep=deep)
    return found


def _check_sizes(paths: RootPaths, record: ShardRecord) -> Iterator[str]:
    named = [(join(paths.embeddings_dir(record.dataset, record.encoder), record.file), record.output)]
    if record.quarantine_file is not None:
        folder = paths.quarantine_dir(record.dataset, record.encoder)
        named.append((join(folder, record.quarantine_file), record.quarantine or {}))
    for url, entry in named:
        if "bytes" in entry and (problem := different(url, entry, deep=False)):
            yield f"{url}: {problem} its record"


def _check_source(paths: RootPaths, record: ShardRecord, *, deep: bool) -> Iterator[str]:
    """A source that is there but is not the one that was embedded. Stores other than this machine and the root's own are not asked."""
    path, own = str(record.source.get("path", "")), record.source.get("sha256")
    try:
        if not path or not reachable(paths.root, path):
            return
        now = source_now(path)
        found = standing(record.source, now, paths.root)
        changed = found is Standing.CHANGED
        if found is Standing.TOUCHED and own and deep:
            changed = content_sha256(path) != own
    except (LacunaError, OSError, ValueError):  # not there for us: nothing is compared
        return
    if changed:
        yield f"{path}: has changed since it was embedded (shard {record.shard}): embed it again under another name"


def _check_rows(paths: RootPaths, record: ShardRecord, problems: list[str]) -> list[NDArray[np.int64]]:
    """The ordinals of the rows, batch by batch; problems of the file are appended to `problems`."""
    url = join(paths.embeddings_dir(record.dataset, record.encoder), record.file)
    ordinals: list[NDArray[np.int64]] = []
    try:
        with local_copy(url) as path:
            problems += _check_bytes(url, path, record.output)
            with pq.ParquetFile(path) as file:
                problems += _check_meta(url, file, record)
                ordinals = list(_check_vectors(url, file, record, problems))
    except FileNotFoundError:
        problems.append(f"{url}: recorded, but not there")
    except UNREADABLE as error:
        problems.append(f"{url}: cannot be read: {_brief(error)}")
    return ordinals


def _check_bytes(url: str, path: Path, reported: dict[str, Any]) -> Iterator[str]:
    size, sha256 = path.stat().st_size, file_sha256(path)
    if size != reported.get("bytes"):
        yield f"{url}: {size} bytes, its record has {reported.get('bytes')}"
    elif sha256 != reported.get("sha256"):
        yield f"{url}: sha256 {str(sha256)[:12]}, its record has {str(reported.get('sha256'))[:12]}"


def _check_meta(url: str, file: pq.ParquetFile, record: ShardRecord) -> Iterator[str]:
    if file.metadata.num_rows != record.rows_out:
        yield f"{url}: {file.metadata.num_rows} rows, its record has {record.rows_out}"
    meta = read_meta(file.schema_arrow)
    for name in ("config_hash", "weights_sha256"):
        if meta.get(name) != getattr(record, name):
            yield f"{url}: {name} {meta.get(name)}, its record has {getattr(record, name)}"


def _check_vectors(url: str, file: pq.ParquetFile, record: ShardRecord, problems: list[str]) -> Iterator[NDArray[np.int64]]:
    meta, last = read_meta(file.schema_arrow), -1
    reported = Counter[str]()
    for batch in file.iter_batches(BATCH, columns=["shard", "ordinal", *VECTORS], use_threads=False):
        ordinal_B = batch.column("ordinal").to_numpy()
        reported["rows are not in order of ordinal"] += int((np.diff(ordinal_B, prepend=last) <= 0).sum())
        last = int(ordinal_B[-1]) if len(ordinal_B) else last
        reported["rows name another shard"] += len(batch) - (
            pc.sum(pc.equal(batch.column("shard").cast(pa.string()), record.shard)).as_py() or 0
        )
        for name in VECTORS:
            norm_B = row_norms(from_binary(batch.column(name), meta["dim"], meta["dtype"]))
            finite_B = np.isfinite(norm_B)
            reported[f"{name} rows hold NaN or infinity"] += int((~finite_B).sum())
            reported[f"{name} rows are not of unit length"] += int((np.abs(norm_B[finite_B] - 1) > NORM_TOLERANCE[meta["dtype"]]).sum())
        yield ordinal_B
    problems += [f"{url}: {n} {what}" for what, n in reported.items() if n]


def _check_drops(paths: RootPaths, record: ShardRecord, problems: list[str]) -> list[NDArray[np.int64]]:
    if record.quarantine_file is None:
        return []
    url = join(paths.quarantine_dir(record.dataset, record.encoder), record.quarantine_file)
    try:
        with local_copy(url) as path:
            if record.quarantine is not None:
                problems += _check_bytes(url, path, record.quarantine)
            table = pq.read_table(path)
    except FileNotFoundError:
        problems.append(f"{url}: {sum(record.drops.values())} drops are recorded, but it is not there")
        return []
    except UNREADABLE as error:
        problems.append(f"{url}: cannot be read: {_brief(error)}")
        return []
    if not table.schema.equals(SCHEMA):
        problems.append(f"{url}: its columns are not the columns of a quarantine file")
        return []
    counts = dict(Counter(table["reason"].to_pylist()))
    if counts != record.drops:
        problems.append(f"{url}: drops {_counts(counts)}, its record has {_counts(record.drops)}")
    if unknown := sorted(set(counts) - {reason.value for reason in Reason}):
        problems.append(f"{url}: unknown reasons: {', '.join(unknown)}")
    return [table["ordinal"].to_numpy()]


def _check_ordinals(paths: RootPaths, record: ShardRecord, ordinal_N: NDArray[np.int64]) -> Iterator[str]:
    """Each pair of the shard must be one row or one drop."""
    url = paths.record(record.dataset, record.encoder, record.shard)
    values_N, count_N = np.unique(ordinal_N, return_counts=True)
    twice, beyond = values_N[count_N > 1], values_N[(values_N < 0) | (values_N >= record.rows_in)]
    missing = np.setdiff1d(np.arange(record.rows_in), values_N)
    for what, which in (
        ("twice among rows and drops", twice),
        ("beyond the shard's pairs", beyond),
        ("neither a row nor a drop", missing),
    ):
        if len(which):
            yield f"{url}: {len(which)} ordinals are {what}, the first is {which[0]}"


@contextmanager
def local_copy(url: str) -> Iterator[Path]:
    """Path of a local file, or of a temporary local copy of a remote one. Raises FileNotFoundError."""
    fs, path = filesystem(url)
    if is_local(fs):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="lacuna-verify-") as folder:
        fs.get_file(path, f"{folder}/copy")
        yield Path(folder, "copy")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{reason} {n}" for reason, n in sorted(counts.items())) or "none"


def _brief(error: BaseException) -> str:
    return printable(" ".join(str(error).split()) or type(error).__name__, 200)
