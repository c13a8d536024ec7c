"""What local dimension shows in this run, in sentences: Figs 13 to 15."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tda.config import ReportConfig
from tda.report.data.evidence import each, known, name, value
from tda.report.data.load import Cell, Run
from tda.report.data.words import listing, signed
from tda.report.topics.retrieval.predictions import verdicts

PARTIAL = "partial_spearman_given_size"


def cluster_ranks(cells: Sequence[Cell], config: ReportConfig, modality: str) -> list[str]:
    """Effective rank inside clusters against that of all rows (Figs 13 and 14)."""
    column = "effective_rank" if modality == "both" else f"effective_rank_{modality}"

    def told(cell: Cell) -> str:
        ranks = _column(cell, column)
        whole = value(cell, "spectrum", modality, "effective_rank")
        against = f" against {whole:.1f} over all rows" if whole is not None else ""
        return f"{np.median(ranks):.1f} ({min(ranks):.1f} to {max(ranks):.1f}){against} in {name(cell.encoder, config)}"

    def tell(dataset: str, group: list[Cell]) -> str:
        rows = [size for cell in group for size in _column(cell, {"image": "images", "text": "texts"}.get(modality, "size")) if size > 1]
        bound = f"; clusters hold {min(rows):,.0f} to {max(rows):,.0f} such rows, and rank stays below that" if rows else ""
        return f"On {dataset} the effective rank of a cluster, median and range, is {'; '.join(told(cell) for cell in group)}{bound}."

    return each([cell for cell in cells if _column(cell, column)], [], tell)


def _column(cell: Cell, column: str) -> list[float]:
    return [float(row[column]) for row in cell.metrics.get("per_cluster") or [] if row.get(column) is not None]


def local_dimension(run: Run, dimension: str) -> list[str]:
    """Whether local dimension predicts retrieval: the verdict where models were compared, else each model's own correlation."""
    found = verdicts(run, "prediction_2") if dimension == "auc" else {}
    rest = [cell for cell in run.cells if cell.dataset not in found]
    own = each(rest, [("local_dimension", "n_clusters")], lambda dataset, group: _correlations(run, dataset, group, dimension))
    return [*found.values(), *own]


def taken_out(run: Run) -> list[str]:
    """What taking cluster size out does to the correlation of local dimension and retrieval."""

    def told(cell: Cell) -> str:
        plain, given = (known(cell, "local_dimension", kind) for kind in ("spearman", PARTIAL))
        return f"{signed(plain)} to {signed(given)}{_interval(cell.metrics['local_dimension'])} in {name(cell.encoder, run.config)}"

    def tell(dataset: str, group: list[Cell]) -> str:
        return f"On {dataset} taking cluster size out moves the correlation of area and top-1 from {listing(told(cell) for cell in group)}."

    return each(run.cells, [("local_dimension", "spearman"), ("local_dimension", PARTIAL)], tell)


def _correlations(run: Run, dataset: str, group: list[Cell], dimension: str) -> str:
    found = {name(cell.encoder, run.config): _association(cell, dimension) for cell in group}
    reported = [f"{signed(one[PARTIAL])}{_interval(one)} in {who}" for who, one in found.items() if one.get(PARTIAL) is not None]
    what = {"auc": "the area under its spectrum", "effective_rank": "its effective rank"}[dimension]
    if not reported:
        return f"On {dataset} clusters are too few, or too alike, to correlate retrieval in a cluster with {what}."
    return f"On {dataset} top-1 in a cluster correlates with {what}, given its size, by {listing(reported)}."


def _association(cell: Cell, dimension: str) -> Mapping[str, Any]:
    found = cell.metrics["local_dimension"]
    by = (found.get("by") or {}).get(dimension, {}).get("image_to_text") if dimension != "auc" else found
    return by if isinstance(by, Mapping) else {}


def _interval(found: Mapping[str, Any]) -> str:
    interval = (found.get("ci95") or {}).get(PARTIAL)
    return f" ({signed(interval[0])} to {signed(interval[1])})" if interval else ""
