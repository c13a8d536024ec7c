"""Claims on dimension and retrieval: Figs 9 to 15, Table II, both predictions."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

from tda.geometry.correlation_differences import Difference, correlation_differences
from tda.geometry.predictions import WEAK
from tda.geometry.spectrum.fall import LEAST_ROWS
from tda.report.data.evidence import name, value
from tda.report.data.load import Cell, Run
from tda.report.data.words import percent, signed
from tda.report.topics.reproduction.judged import Check, playing
from tda.report.topics.rules import ABOUT, TOP1, fall_in, mean_top1

ROLES, DATASETS = ("CLIP", "CLOOB"), ("LAION", "COCO")
HOLDS = {"supported": True, "not supported": False, "undecided": None}


def drawn_cases(_: Run) -> list[Check]:
    return [Check(holds=True, numbers="rows of known collapse are drawn here and classified beside this run's models (Fig. 9)")]


def collapses(modality: str) -> Callable[[Run], list[Check]]:
    """Figs 10 to 12: CLOOB's spectrum collapses before its last dimensions, CLIP's does not."""

    def judge(run: Run) -> list[Check]:
        return [check for role in ROLES for cell in playing(run, role) for check in _collapse(cell, run, modality, falls=role == "CLOOB")]

    return judge


def _collapse(cell: Cell, run: Run, modality: str, *, falls: bool) -> list[Check]:
    found, rows, dim = fall_in(cell, modality), value(cell, "pairs"), value(cell, "dim")
    if found is None or rows is None or dim is None:
        return []
    few = rows * (2 if modality == "both" else 1) < LEAST_ROWS * dim
    word = {"drops": "a drop", "fades": "fades without a drop", "none": "no fall"}[found.kind]
    after = f" after {found.drop.index} of {dim:.0f}" if found.drop else ""
    scant = f", of fewer than {LEAST_ROWS} rows a dimension" if few else ""
    holds = None if few else (found.kind == "drops") is falls
    return [Check(holds, f"{name(cell.encoder, run.config)} on {cell.dataset}: {word}{after}{scant}")]


def local_rank(modality: str) -> Callable[[Run], list[Check]]:
    """Figs 13 and 14: inside clusters CLOOB takes clearly fewer dimensions than all rows do, CLIP about as many (LAION)."""

    def judge(run: Run) -> list[Check]:
        return [check for role in ROLES for cell in playing(run, role, "LAION") for check in _inside(cell, run, modality, role)]

    return judge


def _inside(cell: Cell, run: Run, modality: str, role: str) -> list[Check]:
    whole, column = value(cell, "spectrum", modality, "effective_rank"), {"image": "images", "text": "texts"}[modality]
    table = [row for row in cell.metrics.get("per_cluster") or [] if row.get(f"effective_rank_{modality}") is not None]
    if whole is None or not table:
        return []
    median, rows = (float(np.median([row[key] for row in table])) for key in (f"effective_rank_{modality}", column))
    bound = rows < LEAST_ROWS * whole
    lower = whole > ABOUT * median
    words = f"{name(cell.encoder, run.config)} on {cell.dataset}: median {median:.1f} against {whole:.1f}"
    return [Check(None if bound else lower is (role == "CLOOB"), words + (f", bounded by {rows:.0f} rows a cluster" if bound else ""))]


def table_two(run: Run) -> list[Check]:
    """Table II: CLIP retrieves better than CLOOB on both data sets, and both better on LAION than on COCO."""
    checks = [check for dataset in run.datasets for check in prediction_one_on(run, dataset)]
    for role in ROLES:
        laion, coco = ([cell for cell in playing(run, role, dataset) if _retrieved(cell)] for dataset in DATASETS)
        checks += [_easier(role, mean_top1(one), mean_top1(other)) for one in laion[:1] for other in coco[:1]]
    return checks


def _easier(role: str, laion: float, coco: float) -> Check:
    return Check(laion > coco, f"{role}: top-1 {percent(laion)} in LAION's role, {percent(coco)} in COCO's")


def _retrieved(cell: Cell) -> bool:
    return all(value(cell, *path) is not None for path in TOP1)


def prediction_one_on(run: Run, dataset: str) -> list[Check]:
    """The paired verdict of a data set."""
    found = run.comparisons.get(dataset, {}).get("prediction_1")
    if not found:
        return []
    apart = found["numbers"]["top1_difference"]
    numbers = " and ".join(f"{one['value']:+.3f}" for one in apart.values())
    return [Check(HOLDS.get(found.get("verdict")), f"{dataset}: CLIP's top-1 less CLOOB's {numbers}")]


def prediction(number: int) -> Callable[[Run], list[Check]]:
    """Predictions 1 and 2, by the verdict of each comparison."""

    def judge(run: Run) -> list[Check]:
        found = {dataset: run.comparisons.get(dataset, {}).get(f"prediction_{number}") for dataset in run.datasets}
        return [
            Check(HOLDS.get(one.get("verdict")), f"{dataset}: {one.get('verdict', 'undecided')}") for dataset, one in found.items() if one
        ]

    return judge


def local_correlation(run: Run) -> list[Check]:
    """Fig. 15: area and top-1 correlate over clusters; alike in CLIP and CLOOB on LAION, unlike COCO. Plain, as the paper has it."""
    cells = {(role, dataset): cell for dataset in DATASETS for role in ROLES for cell in playing(run, role, dataset)[:1]}
    clusters = {f"{role} on {dataset}": _variables(cell) for (role, dataset), cell in cells.items()}
    pairs = [(one, other) for one, other in combinations(clusters, 2) if one.split()[0] == other.split()[0] or "COCO" not in one + other]
    return [_apart(one) for one in correlation_differences(clusters, pairs)] if pairs else []


def _variables(cell: Cell) -> tuple[Any, Any]:
    table = [row for row in cell.metrics.get("per_cluster") or [] if row.get("auc") is not None and row.get("top1") is not None]
    dimension, top1 = (np.array([row[key] for row in table], dtype=float) for key in ("auc", "top1"))
    return dimension, top1


def _apart(found: Difference) -> Check:
    """Alike between models within LAION, unlike between data sets; equivalence by the interval, difference by Holm's p."""
    if found.value is None or found.ci95 is None or found.p_holm is None:
        return Check(None, f"{found.one} and {found.other}: fewer than 12 clusters")
    differs, alike = found.p_holm < 0.05, max(map(abs, found.ci95)) < WEAK
    wanted_alike = found.one.split()[2] == found.other.split()[2]
    holds = (True if alike else False if differs else None) if wanted_alike else (True if differs else False if alike else None)
    low, high = (signed(end) for end in found.ci95)
    return Check(holds, f"{found.one} less {found.other}: {signed(found.value)} ({low} to {high}, p = {found.p_holm:.2g} by Holm)")
