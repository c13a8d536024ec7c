"""Embeddings to geometry: `metrics.json` and the tables beside it, for one data set under one encoder; `encoders=[a,b]` compares several.

A part that was measured before, with the same rows and settings, is not measured again. What several runs on one root measure at once
stands in one `metrics.json`, part by part (`jobs.analysis.publication`).
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from jobs.analysis.comparisons import compare_encoders, comparison_line
from jobs.analysis.part import Measuring
from jobs.analysis.parts import digest, part_hashes, with_needed
from jobs.analysis.publication import Made, publish_parts, standing_parts, table_url
from jobs.analysis.registry import REGISTRY
from jobs.analysis.run import measured
from jobs.analysis.shape import Subject
from jobs.analysis.sweep import cell_line, in_sweep, sweep_cells
from jobs.runtime.app import Outcome, command
from jobs.runtime.session import ray_session, shared_ray
from tda.config.jobs import AnalyzeJob
from tda.errors import LacunaError, UserError
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.documents import document_if_whole
from tda.store.files import exists
from tda.store.paths import RootPaths
from tda.store.tables import SCHEMA, read_table


def run(job: AnalyzeJob) -> Outcome:
    """Analyse one encoder, or each of several and compare them, or add one cell to the sweep of a multirun over `analysis.umap`."""
    names = job.encoders or [job.encoder.name]
    if "" in names:
        raise UserError("encoder.name is missing: give encoder.name=VALUE, or encoders=[a,b] to compare several")
    jobs = [replace(job, encoder=replace(job.encoder, name=name), encoders=[]) for name in names]
    if in_sweep():
        return _sweep(jobs)
    with shared_ray():
        outcomes = [analyze(one) for one in jobs]
        if not job.encoders:
            return outcomes[0]
        found = compare_encoders(job.root, job.dataset.name, names, job.analysis, job.cluster)
    return Outcome(whole=True, line=comparison_line(found))


def analyze(job: AnalyzeJob) -> Outcome:
    """Measure the missing parts. Raises UserError if there is nothing to measure or the data sets differ in dimension."""
    embeddings = EmbeddingSet(job.root, job.dataset.name, job.encoder.name)
    others = _checked_transfer(job, embeddings)
    rows = {name: _content(job, name) for name in job.analysis.separability.transfer} | {job.dataset.name: embeddings.content}
    hashes = part_hashes(rows, job.dataset.name, job.analysis)
    url = RootPaths(job.root).metrics(job.dataset.name, job.encoder.name)
    head, before = _head(job, embeddings, hashes), document_if_whole(url)
    found = standing_parts(url, before, hashes)
    missing = [part for part in with_needed(job.analysis.parts, job.analysis) if part.name not in found["part_hashes"]]
    if missing:
        folder = RootPaths(job.root).analysis_dir(job.dataset.name, job.encoder.name)
        rows_hash = digest([rows[job.dataset.name], job.analysis.umap.max_pairs])
        subject = Subject(embeddings=embeddings, analysis=job.analysis, folder=folder, rows_hash=rows_hash)
        names, stored = [part.name for part in missing], partial(_stored, url, found["tables"])
        with ray_session(job.cluster):
            metrics, tables = measured(Measuring(subject=subject, others=others, parts=names, stored=stored, cluster=job.cluster))
        _require_unchanged(job, embeddings)
        made = Made(parts={part.name: hashes[part.name] for part in missing}, keys=metrics, tables=tables)
        found = publish_parts(url, head, before, made, hashes)
    return Outcome(whole=True, line=result_line(head | found))


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
    lines = []
    for job in jobs:
        umap = job.analysis.umap
        (cell,) = sweep_cells(job, [(umap.n_neighbors, umap.min_dist)])
        if not exists(RootPaths(job.root).metrics(job.dataset.name, job.encoder.name)):
            analyze(replace(job, analysis=replace(job.analysis, parts=["gap"])))
        lines.append(cell_line(job, cell))
    return Outcome(whole=True, line="; ".join(lines))


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


main = command("analyze", AnalyzeJob, run)

if __name__ == "__main__":
    sys.exit(main())
