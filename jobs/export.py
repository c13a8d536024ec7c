"""Rows of a data set or a view to other tools: tars of the very members, DataComp's uids, clip-retrieval's folders, Parquet with lists.

python -m jobs.export dataset.name=a-minus-b encoder.name=clip format=webdataset to=URL root=URL

A shard is a task, and has a record under `to`: the same command goes on where it stopped.
"""

import sys
from functools import partial

import numpy as np

from jobs.exporting.shard import export_shard
from jobs.runtime.app import Outcome, command
from jobs.runtime.kept_rows import of_kept_rows
from jobs.runtime.progress import ShardProgress
from jobs.runtime.run_progress import track
from jobs.runtime.session import ray_session
from jobs.runtime.tasks import ordered
from tda.config.jobs import ExportJob
from tda.errors import LacunaError
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.export.arrays import uids_of
from tda.store.export.records import Export
from tda.store.files import absolute, join, publish


def run(job: ExportJob) -> Outcome:
    """Export what is not exported yet. Whole if every shard is, and as many pairs left as the data set has.

    Raises UserError for a data set that is not there, and where `to` holds another export.
    """
    job = of_kept_rows(job, job.encoder.name)
    rows = EmbeddingSet(absolute(job.root), job.dataset.name, job.encoder.name)
    export = Export(
        root=absolute(job.root),
        dataset=job.dataset.name,
        encoder=job.encoder.name,
        format=job.format,
        to=absolute(job.to),
        content=rows.digest,
    )
    if job.format == "uids":
        return _uids(export, rows)
    export.claim()
    pairs = {shard: export.done(shard) for shard in rows.shards}
    todo = [number for number, count in enumerate(pairs.values()) if count is None]
    failed = _work(job, export, rows, todo, pairs) if todo else []
    return _outcome(export, rows, pairs, failed, done_before=len(rows.shards) - len(todo))


def _work(job: ExportJob, export: Export, rows: EmbeddingSet, todo: list[int], pairs: dict[str, int | None]) -> list[str]:
    """Export shards as tasks; fills `pairs` and returns what failed, a line each."""
    failed: list[str] = []
    work = track("export", export.dataset, [export.encoder], total=len(rows.shards), before=len(rows.shards) - len(todo))
    with ray_session(job.cluster), ShardProgress(what=f"export {export.dataset}", shards=len(todo)) as progress:
        calls = ((export, number) for number in todo)
        for number, made in zip(todo, ordered(export_shard, calls, job.cluster), strict=True):
            if isinstance(made, str):
                failed.append(made)
                work.failed(rows.shards[number], LacunaError(made))
                progress.add(failed=True)
                progress.note(made)
            else:
                pairs[rows.shards[number]] = made
                progress.add(pairs=made)
                work.did(rows.shards[number], made)
    return failed


def _uids(export: Export, rows: EmbeddingSet) -> Outcome:
    """One sorted array, as DataComp's tools read it; `to` is the file."""
    url = export.to if export.to.endswith(".npy") else join(export.to, f"{export.dataset}.npy")
    uid_N = np.sort(np.concatenate([uids_of(table["key"].to_pylist()) for table in rows.tables(["key"])]))
    publish(url, partial(np.save, arr=uid_N))
    return Outcome(whole=True, line=f"export: {len(uid_N):,} uids of {export.dataset} by {export.encoder} to {url}", places=[url])


def _outcome(export: Export, rows: EmbeddingSet, pairs: dict[str, int | None], failed: list[str], *, done_before: int) -> Outcome:
    left, done = sum(count or 0 for count in pairs.values()), sum(count is not None for count in pairs.values())
    line = f"export: {left:,} of {len(rows):,} pairs of {export.dataset} by {export.encoder} as {export.format} to {export.to}"
    line += f", {done} shard{'s' * (done != 1)} ({done_before} done before)"
    if failed:
        line += f"; {len(failed)} failed: {'; '.join(failed[:3])}{'; ...' if len(failed) > 3 else ''}"
    return Outcome(whole=not failed and left == len(rows), line=line, places=[export.to])


main = command("export", ExportJob, run)

if __name__ == "__main__":
    sys.exit(main())
