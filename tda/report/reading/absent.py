"""What a run does not show, one line for each command that would make it."""

import shlex
from collections.abc import Iterable, Sequence

from tda.report.data.evidence import name
from tda.report.data.load import Run
from tda.report.data.words import listing
from tda.report.drawing.figure import FigureSpec, Lack
from tda.report.drawing.table import Table

NAMED = 4  # figures of a line; more are counted
_OTHER_JOBS = {"closest": "nearest", "curve": "train", "watched": "watch", "sweeps": ""}  # what a figure needs -> the job that makes it


def absent(run: Run, specs: Iterable[FigureSpec], tables: Iterable[Table]) -> list[str]:
    """One line for each command: what it makes, and for whom."""
    found = list(specs)
    lacks = [lack for spec in found for lack in spec.lacks(run)]
    groups: dict[tuple[str, ...], list[Lack]] = {}
    for lack in lacks:
        groups.setdefault((lack.cell.dataset, _job(lack), *lack.arguments), []).append(lack)
    lines = [_line(run, dataset, job, arguments, members) for (dataset, job, *arguments), members in groups.items()]
    nobody = [spec.missing(run) for spec in found if not spec.cells(run)]
    return list(
        dict.fromkeys([*lines, *(line for missing in nobody for line in missing), *(line for table in tables for line in table.missing)])
    )


def _job(lack: Lack) -> str:
    return _OTHER_JOBS.get(lack.needs, "analyze")


def _line(run: Run, dataset: str, job: str, arguments: Sequence[str], lacks: Sequence[Lack]) -> str:
    cells = {lack.cell.encoder: lack.cell for lack in lacks}
    figures = list(dict.fromkeys(lack.figure for lack in lacks))
    what = listing(figures) if len(figures) <= NAMED else f"{len(figures)} figures"
    who = listing(name(encoder, run.config) for encoder in cells) if len(cells) <= NAMED else f"{len(cells)} models"
    shown = next(iter(cells.values())).shown
    return f"{what}: nothing to draw of {who} on {shown}. To make it: {_command(run, dataset, job, list(cells), arguments)}"


def _command(run: Run, dataset: str, job: str, encoders: Sequence[str], arguments: Sequence[str]) -> str:
    models = [f"encoder.name={encoders[0]}"] if len(encoders) == 1 else [f"encoders=[{','.join(encoders)}]"]
    if job == "nearest":  # it takes one model
        models = [f"encoder.name={encoders[0]}", "reference.name=NAME"]
    return shlex.join(["python", "-m", f"jobs.{job}", f"dataset.name={dataset}", *models, f"root={run.root}", *arguments])
