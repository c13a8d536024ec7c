"""What local dimension shows in this run, in sentences: Figs 13 to 15."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tda.config.stages import ReportConfig
from tda.report.data.evidence import each, known, name, value
from tda.report.data.load import Cell, Run
from tda.report.data.words import listing, signed
from tda.report.topics.predictions import verdicts
from tda.report.topics.rules import ABOUT
from tda.report.topics.sentences import by_verdict, models_of, span

PARTIAL = "partial_spearman_given_size"
_FEWER, _SAME, _MORE = ("takes fewer dimensions than all rows together", "takes about as many as all rows", "takes more than all rows")


def cluster_ranks(cells: Sequence[Cell], config: ReportConfig, modality: str) -> list[str]:
    """Effective rank inside clusters against that of all rows (Figs 13 and 14)."""
    column = "effective_rank" if modality == "both" else f"effective_rank_{modality}"

    def sentence(dataset: str, group: list[Cell]) -> str:
        medians = {name(cell.encoder, config): float(np.median(_column(cell, column))) for cell in group}
        whole = {name(cell.encoder, config): value(cell, "spectrum", modality, "effective_rank") for cell in group}
        return f"On {dataset}, {_against(medians, whole)}.{_bound(group, modality)}"

    return each([cell for cell in cells if _column(cell, column)], [], sentence)


def _column(cell: Cell, column: str) -> list[float]:
    return [float(row[column]) for row in cell.metrics.get("per_cluster") or [] if row.get(column) is not None]


def _against(medians: Mapping[str, float], whole: Mapping[str, float | None]) -> str:
    """Which models have clusters of fewer dimensions than all rows; where that is unknown, the medians alone."""
    all_rows = {model: rank for model, rank in whole.items() if rank is not None}
    inside = span(medians.values(), _tenth)
    if len(all_rows) < len(medians):
        return f"the median effective rank of a cluster is {inside}"
    found = {model: _compared(medians[model], rank) for model, rank in all_rows.items()}
    verdict = by_verdict(found, (_FEWER, _SAME, _MORE))
    return f"a cluster {verdict}: median effective rank {inside} against {span(all_rows.values(), _tenth)}"


def _compared(median: float, whole: float) -> str:
    return _FEWER if whole > ABOUT * median else _MORE if median > ABOUT * whole else _SAME


def _bound(group: Sequence[Cell], modality: str) -> str:
    """A caution: small clusters have a low rank whatever the model."""
    column = {"image": "images", "text": "texts"}.get(modality, "size")
    rows = [size for cell in group for size in _column(cell, column) if size > 1]
    return f" The rank of a cluster stays below its number of rows, here {span(rows, lambda n: f'{n:,.0f}')}." if rows else ""


def _tenth(number: float) -> str:
    return f"{number:.1f}"


def local_dimension(run: Run, dimension: str) -> list[str]:
    """Whether local dimension predicts retrieval: the verdict where models were compared, else each model's own correlation."""
    found = verdicts(run, "prediction_2") if dimension == "auc" else {}
    rest = [cell for cell in run.cells if cell.dataset not in found]
    own = each(rest, [("local_dimension", "n_clusters")], lambda dataset, group: _correlations(run, dataset, group, dimension))
    return [*found.values(), *own]


def _correlations(run: Run, dataset: str, group: list[Cell], dimension: str) -> str:
    what = {"auc": "the area under its spectrum", "effective_rank": "its effective rank"}[dimension]
    found = {name(cell.encoder, run.config): _association(cell, dimension) for cell in group}
    measured = {model: one for model, one in found.items() if one.get(PARTIAL) is not None}
    if not measured:
        return f"On {dataset}, clusters are too few, or too alike, to correlate retrieval in a cluster with {what}."
    by_sign = {sign: [model for model, one in measured.items() if _sign(one) == sign] for sign in (1, -1, 0)}
    parts = [
        f"{verb} with {what}: {listing(f'{_number(measured[model])} in {model}' for model in by_sign[sign])}"
        for sign, verb in ((1, "rises"), (-1, "falls"))
        if by_sign[sign]
    ]
    if unclear := by_sign[0]:
        numbers = _number(measured[unclear[0]]) if len(unclear) == 1 else span((measured[model][PARTIAL] for model in unclear), signed)
        none = "there is no clear relation" if parts else f"shows no clear relation to {what}"
        parts.append(f"{none} in {models_of(unclear, len(measured), negated=True)}: {numbers}")
    return f"On {dataset}, at equal cluster size, top-1 in a cluster {'; '.join(parts)}."


def _association(cell: Cell, dimension: str) -> Mapping[str, Any]:
    found = cell.metrics["local_dimension"]
    by = (found.get("by") or {}).get(dimension, {}).get("image_to_text") if dimension != "auc" else found
    return by if isinstance(by, Mapping) else {}


def _interval(found: Mapping[str, Any]) -> Sequence[float] | None:
    interval = (found.get("ci95") or {}).get(PARTIAL)
    return interval if interval and None not in interval else None


def _sign(found: Mapping[str, Any]) -> int:
    """Sign of a correlation given size; 0 where its 95% interval includes 0, or is unknown."""
    low, high = _interval(found) or (0, 0)
    return 1 if low > 0 else -1 if high < 0 else 0


def _number(found: Mapping[str, Any]) -> str:
    """A correlation given size, with its 95% interval where it has one."""
    interval = _interval(found)
    return signed(found[PARTIAL]) + (f" ({signed(interval[0])} to {signed(interval[1])})" if interval else "")


def taken_out(run: Run) -> list[str]:
    """In which models taking cluster size out changes the correlation of local dimension and retrieval."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        moved = [cell for cell in group if _moved(cell)]
        numbers = listing(f"from {_both(cell)} in {name(cell.encoder, run.config)}" for cell in moved or group)
        what = "the correlation of area and top-1"
        if not moved:
            return f"On {dataset}, taking cluster size out does not clearly change {what}: {numbers}."
        rest = "; in the other models it stays within its 95% interval" if len(moved) < len(group) else ""
        return f"On {dataset}, taking cluster size out changes {what} {numbers}{rest}."

    return each(run.cells, [("local_dimension", "spearman"), ("local_dimension", PARTIAL)], sentence)


def _moved(cell: Cell) -> bool:
    """Does the plain correlation lie outside the 95% interval of that given size?"""
    low, high = _interval(cell.metrics["local_dimension"]) or (-1, 1)
    return not low <= known(cell, "local_dimension", "spearman") <= high


def _both(cell: Cell) -> str:
    return f"{signed(known(cell, 'local_dimension', 'spearman'))} to {_number(cell.metrics['local_dimension'])}"
