"""Every kind of intervention beside the rows as they are: what it leaves of the gap, and what it does to retrieval."""

from collections.abc import Iterator
from typing import Any

from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run
from tda.report.data.words import fixed, percent, signed
from tda.report.drawing.table import Column, Table, Value, interval_text, remarks_of
from tda.report.topics.interventions.findings import cost_of_gap
from tda.report.topics.interventions.points import CLOSED, PART, at, best_dropped


def interventions_table(run: Run) -> Table:
    """A row for each data set, model and kind of intervention."""
    first, second = run.modalities
    columns = [
        Column(label="Data set"),
        Column(label="Model", numeric=False),
        Column(label="Intervention", numeric=False),
        Column(label="Gap"),
        Column(label="SVM held out", show=percent),
        Column(label=f"{first} to {second}", show=percent, group="Top-1"),
        Column(label=f"{second} to {first}", show=percent, group="Top-1"),
        Column(label="NDCG@10", group="Mixed search"),
        *_change_columns("Change of top-1"),
        *_change_columns("Change of NDCG@10"),
    ]
    rows = [[cell.dataset, name(cell.encoder, run.config), words, *_values(point)] for cell in run.cells for words, point in _shown(cell)]
    return Table(
        name="interventions",
        label="Interventions",
        title="Retrieval after the gap is changed",
        columns=columns,
        rows=rows,
        outer=2,
        sentences=cost_of_gap(run),
        remarks=remarks_of(run, PART),
        note="Each intervention is fitted on one half of the pairs and measured on the other, so that top-1 is among these alone. In mixed "
        f"search half of the documents are of a query's own modality, and its partner ({first} or {second}) is the one that is wanted. "
        "Changes are against the rows as they are, with 95% intervals over pairs. metrics.json has every shift and number of dimensions.",
    )


def _change_columns(group: str) -> list[Column]:
    return [
        Column(label="", show=signed, group=group),
        Column(label="95%", group=group, numeric=False, filed=False),
        *(Column(label=end, group=group, paged=False) for end in ("low", "high")),
    ]


def _shown(cell: Cell) -> Iterator[tuple[str, dict[str, Any]]]:
    """One point of each kind: of removed dimensions the number that leaves the smallest gap."""
    dropped = best_dropped(cell)
    chosen = {
        "none": at(cell, "none", 0.0),
        "shift along the gap": at(cell, *CLOSED),
        "centred": at(cell, "centre", 1.0),
        f"without {dropped['amount']:.0f} dimensions" if dropped else "": dropped,
        "centred and rotated": at(cell, "rotate", 1.0),
    }
    yield from ((words, point) for words, point in chosen.items() if point is not None)


def _values(point: dict[str, Any]) -> list[Value]:
    found: list[Value] = [point[key] for key in ("gap", "separability", "image_to_text", "text_to_image", "mixed")]
    for measure in ("top1", "mixed"):
        change = point["change"][measure]
        known = point["kind"] != "none"
        found += [change["value"], interval_text(change["ci95"], fixed), *change["ci95"]] if known else [None] * 4
    return found
