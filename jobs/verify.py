"""Check a root: one line for each problem; exit status 1 if there is any.

python -m jobs.verify root=URL          every byte is read; deep=false compares sizes and records alone
                                        --fix (or fix=true) removes temporary files that killed writers left, and nothing else
"""

import sys
from collections.abc import Iterable, Iterator

from jobs.runtime.app import Outcome, command
from jobs.runtime.session import ray_session, slots
from jobs.runtime.showing.display import tracked
from tda.config.cluster import ClusterConfig
from tda.config.jobs import VerifyJob
from tda.progress import report_progress
from tda.store.files import remove
from tda.store.paths import RootPaths
from tda.store.top_folders import top_folders
from tda.store.verify.contents import Contents
from tda.store.verify.root import Folder, check_derived, check_models, folders, temporaries
from tda.store.verify.shard import Checked, check_shard_files

IN_PROCESS = 64  # up to this many shards, starting Ray takes longer than the check
CHUNK = 16  # shards a task
AHEAD = 2  # tasks submitted for each slot, which bounds memory

Chunk = tuple[str, str, str, tuple[str, ...], bool]  # root, data set, encoder, shards, deep


def run(job: VerifyJob) -> Outcome:
    """Check everything under the root. Raises UserError if it does not exist."""
    paths = RootPaths(job.root)
    top_folders(job.root)
    found = list(folders(paths))
    with tracked("verify"):
        checked = _check_all(paths, found, job.cluster, deep=job.deep)
    problems = rows = drops = shards = 0
    superseded: list[str] = []
    for folder in found:
        mine = checked[folder.dataset, folder.encoder]
        strays, left = folder.strays(paths, mine)
        superseded += left
        problems += _print([*(line for one in mine for line in one.problems), *strays, *folder.mixed(paths, mine)])
        rows, drops, shards = rows + sum(one.rows for one in mine), drops + sum(one.drops for one in mine), shards + len(mine)
    contents = Contents(deep=job.deep)
    problems += _print(check_models(paths, deep=job.deep)) + _print(check_derived(paths, contents))
    unsealed = contents.unsealed + sum(one.unsealed for made in checked.values() for one in made)
    swept, left_over = _sweep(job, superseded)
    problems += left_over
    line = f"verify: {job.root}: {shards} shards, {rows} rows, {drops} dropped"
    line += f", {swept} temporary files removed" if job.fix else ""
    line += f", {unsealed} document{'s' * (unsealed != 1)} of an earlier version without a digest" if unsealed else ""
    line += "" if job.deep else ", sizes and records alone"
    return Outcome(whole=not problems, line=f"{line}: {'whole and true' if not problems else f'{problems} problems'}")


def _sweep(job: VerifyJob, superseded: list[str]) -> tuple[int, int]:
    """(files removed, problems left), of old temporary files and of files that a later attempt replaced.

    A younger temporary file may belong to a running job: it is printed, but not counted.
    """
    swept = left = 0
    for file in temporaries(job.root):
        old = file.age >= job.min_age_seconds
        if job.fix and old:
            remove(file.url)
            swept += 1
        else:
            left += _print([f"{file.url}: a temporary file, {file.age:.0f} s old{'' if old else ', perhaps of a running job'}"]) * old
    for url in superseded if job.fix else []:
        remove(url)
        swept += 1
    return swept, left - (len(superseded) if job.fix else 0)


def _print(problems: Iterable[str]) -> int:
    lines = [" ".join(line.split()) for line in problems]
    for line in lines:
        print(line, flush=True)
    return len(lines)


def _check_all(paths: RootPaths, found: list[Folder], cluster: ClusterConfig, *, deep: bool) -> dict[tuple[str, str], list[Checked]]:
    """Every recorded shard, by folder in order of shard name."""
    chunks = [(paths.root, folder.dataset, folder.encoder, tuple(shards), deep) for folder in found for shards in _chunks(folder.shards)]
    results: dict[tuple[str, str], list[Checked]] = {(folder.dataset, folder.encoder): [] for folder in found}
    whole = sum(len(folder.shards) for folder in found)
    if whole <= IN_PROCESS:
        for count, chunk in enumerate(chunks):
            report_progress(count * CHUNK, whole, "shards")
            results[chunk[1], chunk[2]] += check_chunk(chunk)
        return results
    with ray_session(cluster):
        for count, (chunk, made) in enumerate(_on_ray(chunks, cluster), start=1):
            results[chunk[1], chunk[2]] += made
            report_progress(min(count * CHUNK, whole), whole, "shards")
    return {names: sorted(made, key=lambda one: one.shard) for names, made in results.items()}


def _chunks(shards: list[str]) -> Iterator[list[str]]:
    yield from (shards[start : start + CHUNK] for start in range(0, len(shards), CHUNK))


def check_chunk(chunk: Chunk) -> list[Checked]:
    root, dataset, encoder, shards, deep = chunk
    return [check_shard_files(RootPaths(root), dataset, encoder, shard, deep=deep) for shard in shards]


def _on_ray(chunks: list[Chunk], cluster: ClusterConfig) -> Iterator[tuple[Chunk, list[Checked]]]:
    """Tasks only read, so Ray may retry those of a lost node."""
    import ray

    size, _ = slots(cluster)
    task = ray.remote(num_cpus=cluster.cpus_per_actor)(check_chunk)
    running: dict[object, Chunk] = {}
    waiting = iter(chunks)
    while True:
        while len(running) < AHEAD * size and (chunk := next(waiting, None)) is not None:
            running[task.remote(chunk)] = chunk
        if not running:
            return
        (ready,), _ = ray.wait(list(running), num_returns=1)
        yield running.pop(ready), ray.get(ready)


main = command("verify", VerifyJob, run, flags=("fix",), recorded=False)

if __name__ == "__main__":
    sys.exit(main())
