"""Existing embeddings into the store.

python -m jobs.ingest dataset.name=coco encoder.name=clip source=PATH root=URL

A source is an .npz, a clip-retrieval folder, Parquet, a pair of .npy (a folder with image.npy and text.npy, or 'DIR/{img,txt}.npy'), a .pt
of tensors, or with gram=NAME the cosines of N images and N texts, a matrix of (2 N, 2 N) whose vectors are found up to a rotation.
`image_column` and `text_column` name the vectors, `caption_column`, `key_column` and `url_column` what belongs to them.
"""

import sys
import time
from collections.abc import Iterator

from jobs.ingestion.open import open_job_source
from jobs.runtime.app import Outcome, command
from jobs.runtime.progress import ShardProgress
from jobs.runtime.run_progress import track
from tda.config.jobs import IngestJob
from tda.store.commit.records import Identity, check_identity, recorded, recorded_shards
from tda.store.commit.transaction import publish_shard
from tda.store.files import require_writable
from tda.store.ingest.batch import Batch, VectorSource
from tda.store.ingest.builder import ShardBuilder
from tda.store.ingest.sources import fingerprint
from tda.store.paths import RootPaths
from tda.store.types import Source


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
    with ShardProgress(what="ingest", shards=len(missing)) as progress:
        for shard, builder, seconds in _shards(job, source, missing):
            origin, rows = Source(job.source, size, content), builder.rows()
            publish_shard(paths, *names, shard, rows=rows, drops=builder.drops, identity=identity, source=origin, seconds={"read": seconds})
            work.did(shard, len(rows) + len(builder.drops))
            progress.add(pairs=len(rows), drops=len(builder.drops))
    return _outcome(job, paths, len(missing))


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
