"""The layout under other settings (Figs 16, 17): cells of n_neighbors and min_dist, gathered in `sweep.json` and the table that it names.

M pairs, N = 2M rows, the images first. A cell does not change metrics.json; the neighbour graph is computed once for all cells.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from jobs.analysis.layout_clusters_homology import Subject
from jobs.analysis.parts import digest
from jobs.analysis.settled import settled
from jobs.runtime.session import ray_session
from jobs.runtime.showing.display import tracked
from jobs.runtime.tasks import ordered
from tda.columns import Columns
from tda.config.analysis import UmapConfig
from tda.config.jobs import AnalyzeJob
from tda.errors import LacunaError
from tda.geometry.arrays.rows import to_host
from tda.geometry.clusters.stability import agreement
from tda.geometry.parts import clusters as cluster_part
from tda.geometry.parts import layout as layout_part
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.documents import document_if_whole, named_files
from tda.store.files import join, remove
from tda.store.paths import RootPaths, base_of
from tda.store.tables import SCHEMA, belongs, publish_by_content, read_table
from tda.store.update import update_json

SWEPT = ("n_neighbors", "min_dist")
ROW = ("modality", "row", "x", "y", "z", "cluster")

SWEEP, TABLE = "sweep.json", "sweep.parquet"

Key = tuple[int, float]
Made = Mapping[Key, tuple[dict[str, Any], Columns]]  # each cell with its rows


def sweep_cells(job: AnalyzeJob, keys: Sequence[Key]) -> list[dict[str, Any]]:
    """Measure the cells (n_neighbors, min_dist) that are missing, and return those that were asked for.

    The other settings of umap and clusters are the job's; other settings or other rows start a new sweep.
    """
    embeddings = EmbeddingSet(job.root, job.dataset.name, job.encoder.name)
    job = replace(job, analysis=settled(job.analysis, len(embeddings)))
    folder = RootPaths(job.root).analysis_dir(job.dataset.name, job.encoder.name)
    head = _head(job, embeddings)
    cells, _ = _standing(folder, document_if_whole(join(folder, SWEEP)), head["config_hash"])
    missing = [key for key in dict.fromkeys(keys) if key not in cells]
    if missing:
        rows_hash = digest([embeddings.content, job.analysis.umap.max_pairs])
        graph = RootPaths(base_of(job.root)).analysis_dir(job.dataset.name, job.encoder.name)
        subjects = [Subject(embeddings=embeddings, analysis=_at(job, key), folder=graph, rows_hash=rows_hash) for key in missing]
        with ray_session(job.cluster), tracked(f"layouts of {job.dataset.name} / {job.encoder.name}"):
            calls = [(subject,) for subject in _widest_first(subjects)]
            found = ordered(_cell_of, calls, job.cluster, whole=len(calls))
            made = {(cell["n_neighbors"], cell["min_dist"]): (cell, table) for cell, table in found}
        if EmbeddingSet(job.root, job.dataset.name, job.encoder.name).content != embeddings.content:
            raise LacunaError(f"the rows of {job.dataset.name} by {job.encoder.name} were replaced while they were laid out: run again")
        cells = _publish(folder, head, made)
    return [cells[key] for key in keys]


def cell_line(job: AnalyzeJob, cell: Mapping[str, Any]) -> str:
    """A cell in one line."""
    reported = f"trustworthiness {cell['trustworthiness']:.3f}, mixing {cell['mixing']:.3f}, {cell['clusters']} clusters"
    alike = "" if cell["agreement"] is None else f", agreement {cell['agreement']:.2f} with the other cells"
    place = f"n_neighbors={cell['n_neighbors']} min_dist={cell['min_dist']:g}"
    return f"{job.dataset.name} / {job.encoder.name}: {place}: {reported}{alike}"


def _at(job: AnalyzeJob, key: Key) -> Any:
    umap = replace(job.analysis.umap, n_neighbors=key[0], min_dist=key[1])
    return replace(job.analysis, umap=umap, clusters=replace(job.analysis.clusters, space="layout"))


def _head(job: AnalyzeJob, embeddings: EmbeddingSet) -> dict[str, Any]:
    """The settings shared by every cell, and their hash."""
    umap = {
        name: value
        for name, value in asdict(job.analysis.umap).items()
        if name not in (*SWEPT, "knn_k") and (name, value) != ("radius", None)
    }
    clusters = {name: value for name, value in asdict(job.analysis.clusters).items() if not name.startswith(("space", "stability"))}
    settings = {"umap": umap, "clusters": clusters, "mixing": asdict(job.analysis.mixing), "seed": job.analysis.seed}
    return {
        "schema": SCHEMA,
        "dataset": job.dataset.name,
        "encoder": job.encoder.name,
        "config_hash": digest([embeddings.content, settings]),
        "modalities": list(embeddings.meta.get("modalities", ("image", "text"))),
        "pairs_used": min(len(embeddings), job.analysis.umap.max_pairs),
        **settings,
    }


def _standing(folder: str, found: Mapping[str, Any], config_hash: str) -> tuple[dict[Key, dict[str, Any]], Columns]:
    """The published cells and their rows, if they are of these settings and the table is the one that sweep.json names."""
    table, entry = next(named_files(join(folder, SWEEP), found), (join(folder, TABLE), None))  # earlier versions named no table
    cells = found.get("cells")
    if found.get("config_hash") != config_hash or not isinstance(cells, list) or not belongs(table, config_hash, entry):
        return {}, {}
    return {(cell["n_neighbors"], cell["min_dist"]): cell for cell in cells}, read_table(table)


def _widest_first(subjects: Sequence[Subject]) -> list[Subject]:
    """The cell with the most neighbours first: its graph serves the others."""
    return sorted(subjects, key=lambda subject: -subject.analysis.umap.n_neighbors)


def _cell_of(subject: Subject) -> tuple[dict[str, Any], Columns]:
    """One cell and its rows. Seconds include layout, its start and clusters, but not the neighbour search."""
    analysis = subject.analysis
    positions_M, x_ND = subject.stacked()
    knn = subject.graph(x_ND)
    began = time.perf_counter()
    layout_NC, notes = layout_part.layout_of(x_ND, knn, analysis)
    found = cluster_part.cluster(layout_NC, analysis, analysis.clusters.sample)
    seconds = time.perf_counter() - began
    umap = layout_part.umap_metrics(x_ND, layout_NC, analysis, notes)
    cell = {name: umap[name] for name in (*SWEPT, "trustworthiness", "mixing", "notes")}
    cell |= {"clusters": found.count, "noise_fraction": found.noise_fraction, "seconds": seconds}
    columns = layout_part.layout_table(layout_NC, positions_M) | {"cluster": to_host(found.labels).astype(np.int32)}
    return cell, {name: columns[name] for name in ROW if name in columns}


def _with(columns: Columns, cell: Mapping[str, Any], table: Columns) -> Columns:
    """The sweep's rows with those of one more cell."""
    count = len(table["row"])
    own = {"n_neighbors": np.full(count, cell["n_neighbors"], np.int32), "min_dist": np.full(count, cell["min_dist"], np.float64), **table}
    return own if not columns else {name: np.concatenate([columns[name], own[name]]) for name in own}


def _publish(folder: str, head: dict[str, Any], made: Made) -> dict[Key, dict[str, Any]]:
    """Add cells to those that stand, also to those of another run since this one began; returns all of them."""
    replaced: set[str] = set()  # tables before this one, and of tries that came too late

    def change(now: dict[str, Any] | None) -> dict[str, Any]:
        cells, columns = _standing(folder, now or {}, head["config_hash"])
        for key, (cell, table) in made.items():
            if key not in cells:
                cells[key], columns = dict(cell), _with(columns, cell, table)
        _agree(cells, columns)
        files = publish_by_content(folder, "sweep", columns, head["config_hash"])
        replaced.update([join(folder, TABLE)], (url for url, _ in named_files(join(folder, SWEEP), now or {})))
        replaced.update(join(folder, name) for name in files)
        return head | {"files": files, "cells": [cells[key] for key in sorted(cells)]}

    found = update_json(join(folder, SWEEP), change) or {}
    for url in replaced - {url for url, _ in named_files(join(folder, SWEEP), found)}:
        if url.rpartition("/")[2].startswith("sweep.") and url.endswith(".parquet"):
            remove(url)
    return {(cell["n_neighbors"], cell["min_dist"]): cell for cell in found["cells"]}


def _agree(cells: dict[Key, dict[str, Any]], columns: Columns) -> None:
    """Give each cell its agreement with the others."""
    labels = {key: columns["cluster"][(columns["n_neighbors"] == key[0]) & (columns["min_dist"] == key[1])] for key in sorted(cells)}
    for key, own_N in labels.items():
        alike = [agreement(own_N, other_N) or 0.0 for other, other_N in labels.items() if other != key]
        cells[key]["agreement"] = float(np.mean(alike)) if alike else None


def cells_of(n_neighbors: Sequence[int], min_dist: Sequence[float], umap: UmapConfig) -> list[Key]:
    """Every cell of a grid; a side that is not given is the setting itself."""
    return [(k, distance) for k in n_neighbors or [umap.n_neighbors] for distance in min_dist or [umap.min_dist]]
