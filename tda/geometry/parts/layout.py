"""The parts `umap` and `mixing` of metrics.json, the table of the layout, and the cells of a sweep (Figs 4, 5, 7, 16, 17).

M pairs, N = 2M rows of both modalities, the images first, D dimensions, C coordinates of the layout, K neighbours, U distinct rows.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tda.columns import Columns
from tda.config.analysis import AnalysisConfig
from tda.geometry.arrays.namespace import namespace
from tda.geometry.arrays.rows import distinct, to_host
from tda.geometry.mixing import Mixing, layout_neighbors, modality_mixing, trustworthiness
from tda.geometry.neighbors.graph import Knn, knn_graph
from tda.geometry.sphere.fuzzy_graph import fuzzy_graph
from tda.geometry.sphere.umap import SphereUMAP, angles, sphere_radius

MODALITIES = ("image", "text")
COORDINATES = ("x", "y", "z")
LEAST_ROWS = 3  # of a layout
ONE_THREAD_ROWS = 5000  # up to here, synchronising threads every epoch costs more than they save


def neighbours_wanted(count: int, analysis: AnalysisConfig) -> int:
    """Number of neighbours that one search must find for each of `count` rows, so that it serves layout, mixing and sweep."""
    return min(max(analysis.umap.knn_k, analysis.umap.n_neighbors - 1, analysis.mixing.k), count - 1)


def model_of(analysis: AnalysisConfig, seed: int, rows: int, n_neighbors: int | None = None) -> SphereUMAP:
    """The model of a layout of `rows` rows, with the options of `analysis.umap`."""
    umap = analysis.umap
    return SphereUMAP(
        n_neighbors or umap.n_neighbors,
        umap.min_dist,
        umap.n_epochs,
        seed,
        umap.spread,
        umap.negative_sample_rate,
        umap.learning_rate,
        umap.init,
        umap.output,
        analysis.device,
        1 if rows <= ONE_THREAD_ROWS else None,
        radius=umap.radius,
    )


def layout_of(x_ND: Any, knn: Knn, analysis: AnalysisConfig) -> tuple[Any, list[str]]:
    """Layout (N, C), a NumPy array, of rows (N, D) with neighbours `knn`, and notes on what differs from the request.

    Equal rows have one place: where there are any, the distinct rows are laid out, each once. Raises UserError as
    `SphereUMAP.fit_transform` does.
    """
    once = _once(x_ND, knn, analysis)
    model = model_of(once.analysis, analysis.seed, len(once.knn))
    layout_NC = to_host(model.fit_transform(once.x_UD, once.knn))[once.number_N]
    notes = [f"{len(once.knn)} distinct rows of {len(knn)} are laid out: equal rows have one place"] if len(once.knn) < len(knn) else []
    return layout_NC, [*model.notes, *notes]


def layouts_again(x_ND: Any, knn: Knn, analysis: AnalysisConfig, seeds: list[int]) -> list[Any]:
    """Layouts (N, C) of the same graph, one for each seed; equal rows as in `layout_of`."""
    once = _once(x_ND, knn, analysis)
    n_neighbors = min(analysis.umap.n_neighbors, len(once.knn) - 1)
    graph = fuzzy_graph(once.knn, n_neighbors, device=analysis.device)
    models = [model_of(once.analysis, seed, len(once.knn), n_neighbors) for seed in seeds]
    return [to_host(model.layout(graph, rows_ND=once.x_UD))[once.number_N] for model in models]


@dataclass(frozen=True)
class _Once:
    """U distinct rows (U, D), their neighbours, the number (N,) of each row among them, and settings that mean the same for them."""

    x_UD: Any
    knn: Knn
    number_N: Any
    analysis: AnalysisConfig


def _once(x_ND: Any, knn: Knn, analysis: AnalysisConfig) -> _Once:
    """The distinct rows: the rows and the graph themselves where no two are equal, or too few differ to be laid out."""
    first_U, number_N = distinct(x_ND)
    if len(first_U) == len(knn):
        return _Once(x_ND, knn, slice(None), analysis)
    if len(first_U) < LEAST_ROWS:
        return _Once(x_ND, knn, first_U[number_N], analysis)
    x_UD = x_ND[namespace(x_ND).asarray(first_U), :]
    k = min(max(analysis.umap.n_neighbors - 1, 1), len(first_U) - 1)
    radius = analysis.umap.radius or sphere_radius(len(knn))  # by all rows, as further rows are placed
    settings = replace(analysis, umap=replace(analysis.umap, radius=radius))
    return _Once(x_UD, knn_graph(x_UD, k, seed=analysis.seed, device=analysis.device), number_N, settings)


def umap_metrics(x_ND: Any, layout_NC: Any, analysis: AnalysisConfig, notes: list[str]) -> dict[str, Any]:
    """The `umap` part of metrics.json. `mixing` is the share of neighbours on the layout that have the OTHER modality."""
    umap, count = analysis.umap, len(layout_NC)
    trust_k = min(umap.trust_k, (count - 1) // 2)
    if trust_k < umap.trust_k:
        notes = [*notes, f"trustworthiness looks at {trust_k} neighbours, not {umap.trust_k}: there are {count} rows"]
    return {
        "output": umap.output,
        **({"radius": umap.radius or sphere_radius(count)} if umap.output == "sphere" else {}),
        "n_neighbors": umap.n_neighbors,
        "min_dist": umap.min_dist,
        "spread": umap.spread,
        "n_epochs": umap.n_epochs,
        "negative_sample_rate": umap.negative_sample_rate,
        "learning_rate": umap.learning_rate,
        "init": umap.init,
        "pairs_used": count // 2,
        "trustworthiness": trustworthiness(x_ND, layout_NC, trust_k, max_rows=umap.trust_rows, seed=analysis.seed),
        "mixing": _on_layout(layout_NC, analysis).other,
        "notes": notes,
    }


def mixing_metrics(knn: Knn, layout_NC: Any, analysis: AnalysisConfig) -> dict[str, Any]:
    """The `mixing` part: share of neighbours of the SAME modality in the space (`ambient`), on the layout, and by chance."""
    k = min(analysis.mixing.k, knn.k)
    ambient, layout = modality_mixing(knn.index_NK, _modality(len(knn)), k), _on_layout(layout_NC, analysis)
    notes = [f"{k} neighbours, not {analysis.mixing.k}: there are {len(knn)} rows"] if k < analysis.mixing.k else []
    return {
        "k": k,
        "ambient": ambient.same,
        "layout": layout.same,
        "chance": ambient.chance,
        "ambient_by_modality": ambient.by_modality,
        "layout_by_modality": layout.by_modality,
        "exact_neighbours": knn.exact,
        "notes": notes,
    }


def layout_table(layout_NC: Any, positions_M: Any) -> Columns:
    """Columns of `layout.parquet`: modality, row, x, y (on the sphere also z, and colatitude and longitude in radians).

    `layout_NC`: images first; `positions_M`: row numbers of the pairs.
    """
    columns = {"modality": _modality(2 * len(positions_M)), "row": np.tile(np.asarray(positions_M, np.int64), 2)}
    columns |= dict(zip(COORDINATES, layout_NC.astype(np.float32).T, strict=False))
    if layout_NC.shape[1] == len(COORDINATES):
        columns["colatitude"], columns["longitude"] = (angle_N.astype(np.float32) for angle_N in angles(layout_NC))
    return columns


def layout_in(columns: Columns) -> Any:
    """The layout (N, C) from the columns of `layout_table`."""
    return np.stack([columns[name] for name in COORDINATES if name in columns], axis=1)


def _modality(count: int) -> Any:
    return np.repeat(MODALITIES, count // 2)


def _on_layout(layout_NC: Any, analysis: AnalysisConfig) -> Mixing:
    k = min(analysis.mixing.k, len(layout_NC) - 1)
    return modality_mixing(layout_neighbors(layout_NC, k), _modality(len(layout_NC)), k)
