"""Each row's closest row of a reference, by image and by text: cells built once, joined shard by shard, with an audit of the recall.

python -m jobs.nearest dataset.name=laion2b reference.name=laion400m encoder.name=clip root=URL        or encoders=[clip,cloob]

Recorded shards are skipped. nearest.probes=auto searches as few cells as `nearest.min_recall` allows, null is exact; with fewer than all
cells, `audit.json` holds the recall of duplicates.
"""

import dataclasses
import sys
from typing import Any

import numpy as np

from jobs.join import recall_audit as auditing
from jobs.join.build_cells import lay_out
from jobs.join.driver import Join, cells_of, join_units, probes_of
from jobs.join.probe_choice import AUTO, Chooser, recorded_probes
from jobs.join.probe_choice import kept as kept_choice
from jobs.join.recall_audit import Audit
from jobs.join.reference_actor import JoinPlan, Unit
from jobs.runtime.app import Outcome, command
from jobs.runtime.run_progress import Work, track
from jobs.runtime.session import ray_session, shared_ray
from jobs.runtime.showing.display import tracked
from jobs.runtime.sweeps.record import flat
from tda.config.jobs import NearestJob
from tda.errors import ShardError, UserError
from tda.geometry.neighbors.sizes import HEAVY
from tda.store.commit.records import recorded_rows, recorded_shards
from tda.store.datasets.cells import CellPlan
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.nearest import NearestRecord, NearestSet, nearest_recorded, reference_hash
from tda.store.datasets.views import recorded_name, view_of
from tda.store.files import absolute, filesystem, require_writable
from tda.store.files import join as join_url
from tda.store.paths import RootPaths

INGESTED = "source:"  # prefix of the weights of ingested vectors


def run(job: NearestJob) -> Outcome:
    """Find the closest rows by one encoder, or by each of `encoders`, one after the other over one Ray. Whole if all are.

    Raises UserError, before anything starts, for an encoder that is named twice or has no rows of a side; else as `nearest`.
    """
    names = job.encoders or [job.encoder.name]
    if "" in names:
        raise UserError("encoder.name is missing: give encoder.name=VALUE, or encoders=[a,b] for several")
    _require_all(job, names)
    with shared_ray():
        found = [nearest(dataclasses.replace(job, encoder=dataclasses.replace(job.encoder, name=name))) for name in names]
    if not job.encoders:
        return found[0]
    numbers = {f"{name}.{path}": value for name, one in zip(names, found, strict=True) for path, value in one.numbers.items()}
    return Outcome(whole=all(one.whole for one in found), line="; ".join(one.line for one in found), numbers=numbers)


def _require_all(job: NearestJob, names: list[str]) -> None:
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"encoders={names} names {min(twice)} twice")
    paths = RootPaths(absolute(job.root))
    for name in names if len(names) > 1 else ():
        for side in (job.dataset.name, job.reference.name):
            if not any(recorded_shards(paths, one, name) for one in (side, recorded_name(side))):
                raise UserError(f"root={job.root} holds no embeddings of dataset.name={side} by encoder.name={name}")


def nearest(job: NearestJob) -> Outcome:
    """Build the cells, join every query shard without a record, audit. Whole if no shard failed and the recall suffices.

    Raises UserError, before any actor starts, if a side is missing or empty, if encoders or dimensions differ, or if `k` is more than
    the reference's rows; ShardError for an unusable reference.
    """
    root = absolute(job.root)
    job = _of_recorded(root, job)
    names = (job.dataset.name, job.encoder.name, job.reference.name)
    RootPaths(root).nearest_dir(*names)  # refuses bad names before anything is read
    with tracked(f"{names[0]} in {names[2]}: what is recorded"):
        queries, reference = (EmbeddingSet(root, name, job.encoder.name) for name in (job.dataset.name, job.reference.name))
        _require_comparable(job, queries, reference)
        cells = _cell_plan(root, job, reference)
        settings = _settings(job, cells, queries)
        records, before = recorded_rows(RootPaths(root), *names[:2]), _recorded(root, names)
        audit, least = Audit(root, names, job.nearest, records, auditing.settings_of(settings)), 1
        if settings["probes"] == AUTO:
            settings["probes"], least = recorded_probes(before, audit)
            audit = dataclasses.replace(audit, settings=auditing.settings_of(settings))
        done = _done(before, settings)
    units = [Unit(shard) for shard, record in records.items() if done.get(shard) != record.sha256]
    recall = audit.done()
    joined = Join(work=track("nearest", names[0], [names[1]], reference=names[2], total=len(records), before=len(records) - len(units)))
    if units or recall is None:
        require_writable(root)
        rows = sum(records[unit.name].rows_out for unit in units)
        joined = _work(job, cells, settings, units, Chooser(audit=audit, least=least), rows=rows, work=joined.work)
        settings["probes"] = joined.probes
        audit = dataclasses.replace(audit, settings=auditing.settings_of(settings))
        recall = None if joined.failures else audit.publish(joined.exact, kept_choice(root, names, settings))
        _tidy(root, names, joined)
    return _outcome(job, root, joined, recall, done_before=len(records) - len(units))


def _of_recorded(root: str, job: NearestJob) -> NearestJob:
    """Closest rows are found for the base data set of a view, and used by all its views."""
    paths, encoder = RootPaths(root), job.encoder.name
    view = view_of(job.reference.name)
    if view is not None and not recorded_shards(paths, job.reference.name, encoder):
        base = recorded_name(view.base)
        raise UserError(f"reference.name={view.name} is a view of {base}, which is grouped by cell whole: give reference.name={base}")
    if view_of(job.dataset.name) is None or recorded_shards(paths, job.dataset.name, encoder):
        return job
    return dataclasses.replace(job, dataset=dataclasses.replace(job.dataset, name=recorded_name(job.dataset.name)))


def _require_comparable(job: NearestJob, queries: EmbeddingSet, reference: EmbeddingSet) -> None:
    sides = {job.dataset.name: queries, job.reference.name: reference}
    for name, side in sides.items():
        if not len(side):
            raise UserError(f"{name} by {job.encoder.name} has no rows: every pair was dropped")
    (one, first), (two, second) = (job.dataset.name, queries.meta), (job.reference.name, reference.meta)
    weights = first["weights_sha256"], second["weights_sha256"]
    sources = f"{one} was embedded by weights {weights[0]}, {two} by {weights[1]}"
    if weights[0] != weights[1] and not (job.nearest.vouch and any(sha.startswith(INGESTED) for sha in weights)):
        hint = (
            "; nearest.vouch=true says that ingested vectors are of one encoder" if any(sha.startswith(INGESTED) for sha in weights) else ""
        )
        raise UserError(f"{sources}: cosines between two encoders mean nothing{hint}")
    if queries.dim != reference.dim:
        raise UserError(f"{one} has {queries.dim} dimensions, {two} has {reference.dim}, under encoder.name={job.encoder.name}")
    if job.nearest.k > len(reference):
        raise UserError(f"nearest.k={job.nearest.k} is more than the {len(reference)} rows of {two}")


def _cell_plan(root: str, job: NearestJob, reference: EmbeddingSet) -> CellPlan:
    nearest, rows = job.nearest, len(reference)
    cells = cells_of(nearest, rows)
    return CellPlan(
        root=root,
        reference=job.reference.name,
        encoder=job.encoder.name,
        reference_hash=reference_hash(RootPaths(root), job.reference.name, job.encoder.name),
        shards=tuple(zip(reference.shards, reference.rows_per_shard, strict=True)),
        dim=reference.dim,
        dtype=reference.dtype,
        cells=cells,
        bound=nearest.max_cell_rows or max(1, HEAVY * rows // cells),
        group_rows=max(1, nearest.group_bytes // (reference.dim * np.dtype(reference.dtype).itemsize)),
        seed=nearest.seed,
    )


def _settings(job: NearestJob, cells: CellPlan, queries: EmbeddingSet) -> dict[str, Any]:
    """Fields that all records of the join share."""
    return {
        "dataset": job.dataset.name,
        "encoder": job.encoder.name,
        "reference": job.reference.name,
        "reference_hash": cells.reference_hash,
        "layout_hash": cells.content,
        "weights_sha256": queries.meta["weights_sha256"],
        "probes": probes_of(job.nearest, cells.rows, cells.cells),
        "k": job.nearest.k,
    }


def _recorded(root: str, names: tuple[str, str, str]) -> dict[str, NearestRecord]:
    """The shards that are joined, with whatever settings."""
    try:
        return nearest_recorded(RootPaths(root), *names)
    except ShardError:  # one is unreadable: join all again
        return {}


def _done(records: dict[str, NearestRecord], settings: dict[str, Any]) -> dict[str, str]:
    """Query shards joined with the same settings -> sha256 of their rows at that time."""
    fields = ("reference_hash", "layout_hash", "weights_sha256", "probes", "k")
    return {shard: record.rows_sha256 for shard, record in records.items() if all(getattr(record, f) == settings[f] for f in fields)}


def _work(
    job: NearestJob, cells: CellPlan, settings: dict[str, Any], units: list[Unit], chooser: Chooser, *, rows: int, work: Work
) -> Join:
    audit = chooser.audit
    with ray_session(job.cluster):
        groups = lay_out(cells, job.nearest, job.cluster)
        plan = JoinPlan(
            cells=cells,
            groups=tuple(groups),
            dataset=job.dataset.name,
            probes=settings["probes"],
            k=job.nearest.k,
            threads=1,
            device="cpu",
            settings=settings,
        )
        sample = [] if settings["probes"] is None or audit.done() is not None else [audit.unit]
        if not (sample or units):
            return Join(probes=settings["probes"])
        return join_units(plan, [*sample, *units], job.nearest, job.cluster, queries=rows, work=work, chooser=chooser)


def _tidy(root: str, names: tuple[str, str, str], joined: Join) -> None:
    """Remove partial results of passes once every shard is joined."""
    fs, path = filesystem(join_url(RootPaths(root).nearest_dir(*names), "_partial"))
    if not joined.failures and fs.exists(path):
        fs.rm(path, recursive=True)


def _outcome(job: NearestJob, root: str, joined: Join, recall: dict[str, Any] | None, *, done_before: int) -> Outcome:
    names = (job.dataset.name, job.encoder.name, job.reference.name)
    head, places = f"{names[0]} in {names[2]} / {names[1]}", [RootPaths(root).nearest_dir(*names)]
    if recall is None:
        line = f"{head}: {len(joined.rows)} shards joined ({done_before} done before); {_failed(joined)}"
        return Outcome(whole=False, line=line, places=places)
    found = NearestSet(root, *names)
    shards = f"{len(found.shards)} shard{'s' * (len(found.shards) != 1)} ({done_before} done before)"
    searched = f"{found.probes} cells a row, " if job.nearest.probes == AUTO and found.probes else ""
    line = f"{head}: {len(found)} rows, {shards}; {searched}{auditing.line(recall)}"
    low = auditing.shortfall(recall, job.nearest, found.probes)
    line = f"{line}; {low}" if low else line
    return Outcome(whole=not low, line=line, numbers={**flat(recall), "rows": len(found)}, places=places)


def _failed(joined: Join) -> str:
    some = "; ".join(str(error) for error in joined.failures[:3])
    return f"{len(joined.failures)} failed: {some}{'; ...' if len(joined.failures) > 3 else ''}"


main = command("nearest", NearestJob, run)

if __name__ == "__main__":
    sys.exit(main())
