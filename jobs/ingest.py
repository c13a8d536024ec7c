"""Existing embeddings into the store.

python -m jobs.ingest dataset.name=coco encoder.name=clip source=PATH root=URL

A source is an .npz, a clip-retrieval folder, Parquet, a pair of .npy (a folder with image.npy and text.npy, or 'DIR/{img,txt}.npy'), a .pt
of tensors, or with gram=NAME the cosines of N images and N texts, a matrix of (2 N, 2 N) whose vectors are found up to a rotation.
`image_column` and `text_column` name the vectors, `caption_column`, `key_column` and `url_column` what belongs to them.

A shard is a task of its own where the source is large and can be read from any row; else one process reads it from its first row on.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from jobs.ingestion.open import open_job_source
from jobs.runtime.app import Outcome, command
from jobs.runtime.progress import ShardProgress
from jobs.runtime.run_progress import track
from jobs.runtime.session import ray_session
from jobs.runtime.tasks import ordered
from tda.config.jobs import IngestJob
from tda.errors import UserError
from tda.store.commit.records import Identity, check_identity, recorded, recorded_shards
from tda.store.commit.transaction import publish_shard
from tda.store.files import require_writable
from tda.store.ingest.batch import Batch, VectorSource
from tda.store.ingest.builder import ShardBuilder
from tda.store.ingest.sources import fingerprint
from tda.store.paths import RootPaths
from tda.store.types import Source

ANYWHERE = ("parquet", "clip_retrieval", "npy")  # sources that are read from any row; the others unpack what is before it
ALONE = 2**30  # bytes of a source below which one process is done before Ray has started

Made = tuple[str, int, int]  # a shard, its rows, and the rows that were dropped


def run(job: IngestJob) -> Outcome:
    """Stream the source into shards of `rows_per_shard`; recorded shards are skipped.

    Raises UserError for an unusable source, or another source under the same names.
    """
    paths, names = RootPaths(job.root), (job.dataset.name, job.encoder.name)
    paths.embeddings_dir(*names)  # refuses bad names before anything is read
    source = open_job_source(job)
    for note in source.notes:
        print(f"lacuna ingest: {note}", file=sys.stderr)
    content, size = fingerprint(source.files)
    identity = _identity(job, source, content)
    require_writable(job.root)
    check_identity(paths, *names, identity)
    done = set(recorded_shards(paths, *names))
    names_of_all = _shard_names(job, source)
    missing = [shard for shard in names_of_all if shard not in done]
    work = track("embed", names[0], names[1:], total=len(names_of_all), before=len(names_of_all) - len(missing))
    plan = IngestPlan(job=job, identity=identity, origin=Source(job.source, size, content), rows=source.rows)
    tasks = len(missing) > 1 and source.kind in ANYWHERE and (size >= ALONE or job.cluster.address is not None)
    with ShardProgress(what="ingest", shards=len(missing)) as progress:
        for shard, rows, drops in _by_tasks(plan, missing) if tasks else _published(plan, source, missing):
            work.did(shard, rows + drops)
            progress.add(pairs=rows, drops=drops)
    return _outcome(job, paths, len(missing))


@dataclass(frozen=True, kw_only=True)
class IngestPlan:
    """What every task knows: the job, what the records say, and the rows of the source."""

    job: IngestJob
    identity: Identity
    origin: Source
    rows: int


def _by_tasks(plan: IngestPlan, missing: list[str]) -> Iterator[Made]:
    with ray_session(plan.job.cluster):
        yield from ordered(ingest_shard, ((plan, shard) for shard in missing), plan.job.cluster)


def ingest_shard(plan: IngestPlan, shard: str) -> Made:
    """Build and publish one shard. Raises UserError for a source that is not the one of the plan, or has an unusable row."""
    source = _source(plan)
    if source.rows != plan.rows:
        raise UserError(f"source={plan.job.source} has {source.rows} rows now, it had {plan.rows}: run again")
    return next(_published(plan, source, [shard]))


_opened: list[tuple[IngestPlan, VectorSource]] = []  # of this process: the source that it read last, whose files are looked at once


def _source(plan: IngestPlan) -> VectorSource:
    if not _opened or _opened[0][0] != plan:
        _opened[:] = [(plan, open_job_source(plan.job))]
    return _opened[0][1]


def _published(plan: IngestPlan, source: VectorSource, missing: list[str]) -> Iterator[Made]:
    paths, names = RootPaths(plan.job.root), (plan.job.dataset.name, plan.job.encoder.name)
    for shard, builder, seconds in _shards(plan.job, source, missing):
        rows, identity, origin = builder.rows(), plan.identity, plan.origin
        publish_shard(paths, *names, shard, rows=rows, drops=builder.drops, identity=identity, source=origin, seconds={"read": seconds})
        yield shard, len(rows), len(builder.drops)


def _identity(job: IngestJob, source: VectorSource, content: str) -> Identity:
    """Ingested vectors have unknown weights: the source's sha256 takes their place, marked by the prefix `source:`.

    Rows per shard are part of it: with another value, a shard of the same name has other rows.
    """
    columns = [job.image_column, job.text_column]
    named = {name: value for name in ("caption_column", "key_column", "url_column", "gram") if (value := getattr(job, name)) is not None}
    how = {"ingested_from": source.kind, "columns": columns, "rows_per_shard": job.rows_per_shard, **named}
    return Identity(encoder=job.encoder.name, weights_sha256=f"source:{content}", preprocessing=how, dtype=job.embed.dtype)


def _shard_names(job: IngestJob, source: VectorSource) -> list[str]:
    return [f"{index:05d}" for index in range(-(-source.rows // job.rows_per_shard))]


def _shards(job: IngestJob, source: VectorSource, missing: list[str]) -> Iterator[tuple[str, ShardBuilder, float]]:
    """Each missing shard, built, and the seconds spent on reading it; rows before the first one are not read."""
    size = job.rows_per_shard
    batches = _aligned(source.batches(int(missing[0]) * size), size) if missing else iter(())
    batch = next(batches, None)
    for shard in missing:
        began, start, stop = time.perf_counter(), int(shard) * size, min((int(shard) + 1) * size, source.rows)
        builder = ShardBuilder(stop - start, source.dim, job.embed.dtype, job.normalise)
        while batch is not None and batch.start < stop:
            if batch.start >= start:
                builder.add(batch)
            batch = next(batches, None)
        yield shard, builder, time.perf_counter() - began


def _aligned(batches: Iterator[Batch], rows_per_shard: int) -> Iterator[Batch]:
    """The same rows, with no batch across a shard's edge."""
    for batch in batches:
        low = 0
        while low < len(batch):
            high = min(len(batch), low + rows_per_shard - (batch.start + low) % rows_per_shard)
            yield batch.cut(low, high)
            low = high


def _outcome(job: IngestJob, paths: RootPaths, made: int) -> Outcome:
    records = recorded(paths, job.dataset.name, job.encoder.name).values()
    rows_in, rows_out = sum(record.rows_in for record in records), sum(record.rows_out for record in records)
    dropped = rows_in - rows_out
    whole = dropped <= job.embed.max_drop_fraction * rows_in
    line = f"ingest: {rows_out} pairs of {job.dataset.name} by {job.encoder.name} in {len(records)} shards ({made} new), {dropped} dropped"
    return Outcome(
        whole=whole,
        line=line if whole else f"{line}: more than embed.max_drop_fraction={job.embed.max_drop_fraction}",
        numbers={"pairs": rows_out, "drop_fraction": dropped / max(rows_in, 1)},
        places=[paths.embeddings_dir(job.dataset.name, job.encoder.name)],
    )


main = command("ingest", IngestJob, run)

if __name__ == "__main__":
    sys.exit(main())
