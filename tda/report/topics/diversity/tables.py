"""Every arm at every level of fidelity, and the difference of the two main models there."""

from typing import Any

from tda.report.data.evidence import name
from tda.report.data.load import Run
from tda.report.data.words import fixed, percent, signed
from tda.report.drawing.table import Column, Table, Value, interval_text
from tda.report.topics.diversity.findings import conjectures

MEASURES = {"distance": "Mean distance", "vendi": "Vendi score", "effective_rank": "Effective rank", "near_copies": "Near copies"}


def diversity_table(run: Run) -> Table:
    """A row for each data set, level of fidelity and arm."""
    columns = [
        Column(label="Data set"),
        Column(label="Fidelity"),
        Column(label="Guide", numeric=False),
        Column(label="Strength"),
        *(Column(label=words, show=percent if key == "near_copies" else fixed) for key, words in MEASURES.items()),
        *(column for key in ("distance", "vendi") for column in _difference(f"CLOOB less CLIP, {MEASURES[key].lower()}")),
    ]
    rows = [row for dataset, found in run.diversity.items() for row in _rows(dataset, found, run)]
    notes = [f"{dataset}: {note}" for dataset, found in run.diversity.items() for note in found.get("notes", [])]
    return Table(
        name="diversity",
        label="Diversity",
        title="Guided images at matched fidelity",
        columns=columns,
        rows=rows,
        outer=2,
        sentences=conjectures(run),
        remarks=notes,
        note="Images of the same prompts under several guides, each at the strength where its mean fidelity to the prompt is the level: "
        "mean cosine distance of two images, Vendi score (effective number of distinct images), effective rank, and the share of pairs "
        "that are near copies. In a drawn world guidance is an exact tilt over its scenes, and diversity and fidelity are of their true "
        "attributes. Differences have 95% intervals over clusters of prompts and p-values by exchanging the guides within clusters.",
    )


def _difference(group: str) -> list[Column]:
    return [
        Column(label="", show=signed, group=group),
        Column(label="95%", group=group, numeric=False, filed=False),
        Column(label="low", group=group, paged=False),
        Column(label="high", group=group, paged=False),
        Column(label="p", group=group),
    ]


def _rows(dataset: str, found: dict[str, Any], run: Run) -> list[list[Value]]:
    judged = found["conjecture_2"]
    rows: list[list[Value]] = []
    for place, level in enumerate(found["levels"]):
        for arm in found["arms"]:
            at = found["matched"][arm]
            differences: list[Value] = []
            for measure in ("distance", "vendi"):
                own = judged["differences"].get(measure) if arm == judged.get("cloob") else None
                differences += _values(own[place]) if own else [None] * 5
            values = [at[key][place] for key in ("strength", *MEASURES)]
            rows.append([dataset, f"fidelity {fixed(level)}", name(arm, run.config), *values, *differences])
    return rows


def _values(one: dict[str, Any]) -> list[Value]:
    return [one["value"], interval_text(one["ci95"], fixed), *one["ci95"], one["p_value"]]
