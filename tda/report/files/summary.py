"""The report for programs and for a terminal: what the page says, without its figures."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from tda.report.data.evidence import name, value
from tda.report.data.load import Run
from tda.report.data.words import visible
from tda.report.drawing.table import Table
from tda.report.reading.answers import Reading
from tda.report.reading.studied import studied

SCHEMA = 1
LONGEST = 2000  # characters of one line of a terminal, before it is wrapped


def summary(run: Run, reading: Reading, tables: Sequence[Table], absent: Sequence[str]) -> dict[str, Any]:
    """summary.json: data sets, models, findings, questions with their findings, and every table with all its digits.

    Fractions are in [0, 1]; null is not measured. Keys of a row are "group: label" of its column.
    """
    return {
        "schema": SCHEMA,
        "root": run.root,
        "datasets": [_dataset(run, dataset) for dataset in run.datasets],
        "models": [{"name": encoder, "shown": name(encoder, run.config), **_model(run, encoder)} for encoder in run.encoders],
        "studied": studied(run),
        "findings": reading.findings,
        "questions": [
            {
                "key": answer.key,
                "question": answer.title,
                "findings": answer.sentences,
                "figure": answer.figure.spec.name if answer.figure else None,
                "table": answer.table.name if answer.table else None,
            }
            for answer in reading.answers
        ],
        "tables": {table.name: {"title": table.title, "rows": _rows(table)} for table in tables if table.rows},
        "absent": list(absent),
    }


def _dataset(run: Run, dataset: str) -> dict[str, Any]:
    pairs = [int(found) for cell in run.of(dataset) if (found := value(cell, "pairs")) is not None]
    return {"name": dataset, "shown": run.shown(dataset), "pairs": max(pairs, default=0), "plays": run.config.datasets.get(dataset)}


def _model(run: Run, encoder: str) -> dict[str, Any]:
    cell = next(cell for cell in run.cells if cell.encoder == encoder)
    own = {key: cell.metrics.get(key) for key in ("dim", "dtype", "weights_sha256")}
    return {**own, "plays": run.config.models.get(encoder) or run.config.ablation.get(encoder)}


def _rows(table: Table) -> list[dict[str, Any]]:
    keys = [": ".join(filter(None, (column.group, column.label))) for column in table.columns]
    filed = [place for place, column in enumerate(table.columns) if column.filed]
    return [{keys[place]: row[place] for place in filed} for row in table.rows]


def as_text(found: Mapping[str, Any], width: int = 100) -> str:
    """The findings and the questions with theirs, for a terminal; what would steer a terminal is named."""
    parts = [_item("", found["studied"], width), ""]
    parts += [_item(f"{number}. ", sentence, width) for number, sentence in enumerate(found["findings"], 1)]
    for answer in found["questions"]:
        parts += ["", _item("", answer["question"], width), *(_item("  ", sentence, width) for sentence in answer["findings"])]
    if found["absent"]:
        parts += ["", "Not in this report", *(_item("  ", line, width) for line in found["absent"])]
    return "\n".join(parts)


def _item(start: str, text: str, width: int) -> str:
    """Wrapped, but a command is never broken within a word."""
    shown = visible(text, LONGEST)
    return textwrap.fill(
        shown, width, initial_indent=start, subsequent_indent=" " * len(start), break_long_words=False, break_on_hyphens=False
    )
