"""Embeddings to geometry: `metrics.json` and the tables beside it, for one data set under one encoder; `encoders=[a,b]` compares several.

A part that was measured before, with the same rows and settings, is not measured again. What several runs on one root measure at once
stands in one `metrics.json`, part by part (`jobs.analysis.results.publication`).
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from jobs.analysis.across.comparisons import compare_encoders, comparison_line, comparisons_url
from jobs.analysis.across.sweep import cell_line, sweep_cells
from jobs.analysis.layout_clusters_homology import Subject
from jobs.analysis.part import Measuring
from jobs.analysis.parts import all_asked, digest, part_hashes, with_needed
from jobs.analysis.registry import REGISTRY
from jobs.analysis.results.ongoing import Ongoing
from jobs.analysis.results.publication import standing_parts, table_url
from jobs.analysis.results.stored import taken_over
from jobs.analysis.run import measured
from jobs.analysis.settled import settled, with_its_rows
from jobs.runtime.app import Outcome, command
from jobs.runtime.kept_rows import of_kept_rows
from jobs.runtime.run_progress import track
from jobs.runtime.session import ray_session, shared_ray
from jobs.runtime.showing.display import tracked
from jobs.runtime.sweeps.cells import current_cell
from jobs.runtime.sweeps.record import flat
from tda.config.jobs import AnalyzeJob
from tda.errors import LacunaError, UserError
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.documents import document_if_whole
from tda.store.files import exists
from tda.store.paths import RootPaths, base_of
from tda.store.tables import SCHEMA, read_table


def run(job: AnalyzeJob) -> Outcome:
    """Analyse one encoder, or each of several and compare them, or add one cell to the sweep of a multirun over `analysis.umap`."""
    names = job.encoders or [job.encoder.name]
    if "" in names:
        raise UserError("encoder.name is missing: give encoder.name=VALUE, or encoders=[a,b] to compare several")
    job = of_kept_rows(job, names[0])
    jobs = [_named(job, name) for name in names]
    cell = current_cell()
    if cell is not None and cell.layout_only:
        return _sweep(jobs)
    with shared_ray():
        outcomes = [analyze(one) for one in jobs]
        if not job.encoders:
            return outcomes[0]
        found = compare_encoders(job.root, job.dataset.name, names, job.analysis, job.cluster)
    numbers = {f"{name}.{path}": value for name, one in zip(names, outcomes, strict=True) for path, value in one.numbers.items()}
    places = [*(place for one in outcomes for place in one.places or ()), comparisons_url(job.root, job.dataset.name)]
    return Outcome(whole=True, line=comparison_line(found), numbers=numbers, places=places)


def analyze(job: AnalyzeJob) -> Outcome:
    """Measure the missing parts. Raises UserError if there is nothing to measure or the data sets differ in dimension."""
    with tracked(f"{job.dataset.name} / {job.encoder.name}", heads=True):
        return _analyze(job)


def _analyze(job: AnalyzeJob) -> Outcome:
    embeddings = EmbeddingSet(job.root, job.dataset.name, job.encoder.name)
    job = replace(job, analysis=settled(job.analysis, len(embeddings)))
    others = _checked_transfer(job, embeddings)
    rows = {name: _content(job, name) for name in job.analysis.separability.transfer} | {job.dataset.name: embeddings.content}
    url = RootPaths(job.root).metrics(job.dataset.name, job.encoder.name)
    before = document_if_whole(url)
    job = _with_ranks_that_stand(job, rows, len(embeddings), url, before)
    hashes, former = _hashes(job, rows, len(embeddings)), _hashes(job, rows, len(embeddings), former=True)
    head = _head(job, embeddings, hashes)
    found = with_its_rows(standing_parts(url, before, hashes, former), url, embeddings)
    parts = with_needed(job.analysis.parts, job.analysis)
    wanted = [part.name for part in parts]
    taken = taken_over(job, hashes, [part.name for part in parts if part.name not in found["part_hashes"] and not part.leaves_files])
    missing = [name for name in wanted if name not in found["part_hashes"] | taken.parts]
    ongoing = Ongoing(
        url=url,
        head=head,
        before=before,
        hashes=hashes,
        former=former,
        analysis=job.analysis,
        shared_folder=_shared_folder(job),
        check=partial(_require_unchanged, job, embeddings),
        missing=missing,
    )
    if taken.parts:
        ongoing.publish_made(taken)
    if missing:
        graph_rows = digest([rows[job.dataset.name], job.analysis.umap.max_pairs])
        own, shared = url.rpartition("/")[0], _shared_folder(job)
        subject = Subject(embeddings=embeddings, analysis=job.analysis, folder=shared, rows_hash=graph_rows, results=own)
        stored = partial(_stored, url, found["tables"] | taken.entries)
        measuring = Measuring(subject=subject, others=others, parts=missing, stored=stored, cluster=job.cluster, hashes=hashes)
        measuring.progress, measuring.publish = ongoing.progress, ongoing.publish
        measuring.work = track("analyze", job.dataset.name, [job.encoder.name], total=len(missing))
        _measure(job, measuring, ongoing, wanted)
    if ongoing.document:
        found = standing_parts(url, ongoing.document, hashes, former)
    measured_now = head | found
    return Outcome(whole=True, line=result_line(measured_now), numbers=flat(measured_now), places=[url])


def _hashes(job: AnalyzeJob, rows: Mapping[str, Any], pairs: int, *, former: bool = False) -> dict[str, str]:
    return part_hashes(rows, job.dataset.name, job.analysis, pairs=pairs, former=former)


def _with_ranks_that_stand(job: AnalyzeJob, rows: Mapping[str, Any], pairs: int, url: str, before: Mapping[str, Any]) -> AnalyzeJob:
    """The job without drawn queries where the ranks of all pairs stand: they hold those of the queries, and have no error."""
    whole = replace(job, analysis=all_asked(job.analysis))
    stands = standing_parts(url, before, _hashes(whole, rows, pairs), _hashes(whole, rows, pairs, former=True))["part_hashes"]
    return whole if "retrieval" in stands else job


def _shared_folder(job: AnalyzeJob) -> str:
    """Where the neighbour graph and the blocks of unfinished parts are: the same for all cells of a sweep."""
    return RootPaths(base_of(job.root)).analysis_dir(job.dataset.name, job.encoder.name)


def _measure(job: AnalyzeJob, measuring: Measuring, ongoing: Ongoing, wanted: list[str]) -> None:
    """Measure and publish the missing parts. An interruption is raised on with a line on what is kept."""
    stand = [name for name in wanted if name not in measuring.parts]
    if stand:
        words = f"{', '.join(stand)} stand and are not measured again; missing: {', '.join(measuring.parts)}"
        print(f"lacuna: {job.dataset.name} / {job.encoder.name}: {words}", file=sys.stderr, flush=True)
    try:
        with ray_session(job.cluster):
            keys, tables = measured(measuring)
        ongoing.publish(ongoing.missing, keys, tables)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(ongoing.kept_line(wanted)) from None


def _require_unchanged(job: AnalyzeJob, embeddings: EmbeddingSet) -> None:
    """Raise LacunaError where the rows that were measured are gone or were replaced meanwhile: numbers of them would stand for others."""
    if EmbeddingSet(job.root, job.dataset.name, job.encoder.name).content != embeddings.content:
        raise LacunaError(f"the rows of {job.dataset.name} by {job.encoder.name} were replaced while they were measured: run again")


def result_line(metrics: Mapping[str, Any]) -> str:
    """The main numbers of the parts that were measured, in one line."""
    measured_parts = [part for part in REGISTRY if all(key in metrics for key in part.keys)]
    words = [f"{metrics['pairs']:,} pairs", *(part.line(metrics) for part in measured_parts)]
    return f"{metrics['dataset']} / {metrics['encoder']}: {', '.join(word for word in words if word)}"


def _sweep(jobs: list[AnalyzeJob]) -> Outcome:
    """One cell for each encoder. An encoder that was not analysed yet first gets a metrics.json with the gap alone."""
    lines, numbers = list[str](), dict[str, float]()
    for job in jobs:
        umap = job.analysis.umap
        (cell,) = sweep_cells(job, [(umap.n_neighbors, umap.min_dist)])
        if not exists(RootPaths(job.root).metrics(job.dataset.name, job.encoder.name)):
            analyze(replace(job, analysis=replace(job.analysis, parts=["gap"])))
        lines.append(cell_line(job, cell))
        numbers |= flat(cell, job.encoder.name if len(jobs) > 1 else "")
    places = [RootPaths(job.root).metrics(job.dataset.name, job.encoder.name) for job in jobs]
    return Outcome(whole=True, line="; ".join(lines), numbers=numbers, places=places)


def _checked_transfer(job: AnalyzeJob, embeddings: EmbeddingSet) -> dict[str, EmbeddingSet]:
    if len(embeddings) < 2:
        raise UserError(f"dataset.name={job.dataset.name} has {len(embeddings)} pair(s); its geometry needs at least 2")
    if not job.analysis.parts:
        raise UserError(f"analysis.parts=[] leaves nothing to measure; choose from: {', '.join(part.name for part in REGISTRY)}")
    if "separability" not in job.analysis.parts:
        return {}
    others = {name: EmbeddingSet(job.root, name, job.encoder.name) for name in job.analysis.separability.transfer}
    for name, other in others.items():
        if other.dim != embeddings.dim:
            raise UserError(f"separability.transfer={name} has {other.dim} dimensions, {job.dataset.name} has {embeddings.dim}")
    return others


def _head(job: AnalyzeJob, embeddings: EmbeddingSet, hashes: Mapping[str, str]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "dataset": job.dataset.name,
        "encoder": job.encoder.name,
        "weights_sha256": embeddings.meta["weights_sha256"],
        "config_hash": digest(hashes),
        "rows_sha256": embeddings.digest,
        "pairs": len(embeddings),
        "dim": embeddings.dim,
        "dtype": embeddings.dtype,
        "modalities": list(embeddings.meta.get("modalities", ("image", "text"))),
        "seed": job.analysis.seed,
    }


def _content(job: AnalyzeJob, dataset: str) -> list[Any]:
    """Identifies the rows of a data set; empty if it has none."""
    try:
        return EmbeddingSet(job.root, dataset, job.encoder.name).content
    except LacunaError:
        return []


def _stored(url: str, entries: Mapping[str, Any], name: str) -> dict[str, Any]:
    return read_table(table_url(url, name), entries.get(name))


def inputs_of(job: AnalyzeJob) -> str | None:
    """What a cell of a sweep was measured on and with; None where that is not known, or the job has to look itself."""
    cell = current_cell()
    names = job.encoders or [job.encoder.name]
    urls = [RootPaths(job.root).metrics(job.dataset.name, name) for name in names]
    if job.dataset.keep is not None or (cell is not None and cell.layout_only) or not all(map(exists, urls)):
        return None
    datasets = dict.fromkeys([job.dataset.name, *job.analysis.separability.transfer, *job.analysis.compare.datasets])
    rows = [[_content(_named(job, name), dataset) for dataset in datasets] for name in names]
    return digest([rows, [document_if_whole(url).get("part_hashes") for url in urls]])


def _named(job: AnalyzeJob, encoder: str) -> AnalyzeJob:
    return replace(job, encoder=replace(job.encoder, name=encoder), encoders=[])


main = command("analyze", AnalyzeJob, run, inputs=inputs_of)

if __name__ == "__main__":
    sys.exit(main())
