"""One figure by its name: for a paper by command, and in a notebook."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from tda.config.stages import ReportConfig
from tda.errors import UserError
from tda.report.data.evidence import name as shown_name
from tda.report.data.load import Run, load_run
from tda.report.data.words import listing
from tda.report.drawing.figure import FigureSpec, Panel
from tda.report.drawing.sheet import drawn_figure, inches, sheet
from tda.report.topics.registry import registry, tables_read
from tda.store.files import publish_bytes

ENDINGS = ("pdf", "svg", "png", "csv")


def figure(name: str, root: str, *, models: Sequence[str] = (), data: Sequence[str] = (), config: ReportConfig | None = None) -> Any:
    """A figure of the report as a matplotlib figure, of these models and data sets alone where any are named.

    Raises UserError for an unknown figure, model or data set, and where the root lacks what the figure is drawn from.
    """
    spec, panels, width = _asked(name, root, models, data, config or ReportConfig())
    return drawn_figure(panels, spec, width)


def write_figure(
    name: str, root: str, out: str, *, models: Sequence[str] = (), data: Sequence[str] = (), config: ReportConfig | None = None
) -> None:
    """The same as a file, a path or a URL; its ending chooses PDF, SVG, PNG or the points as CSV. Raises UserError also for another one."""
    ending = out.rpartition(".")[2].lower() if "." in out.rpartition("/")[2] else ""
    if ending not in ENDINGS:
        raise UserError(f"out={out} ends in none of {listing([f'.{one}' for one in ENDINGS], 'or')}, which choose what is written")
    spec, panels, width = _asked(name, root, models, data, config or ReportConfig())
    publish_bytes(out, sheet(panels, spec, width)[ending])


def _asked(name: str, root: str, models: Sequence[str], data: Sequence[str], config: ReportConfig) -> tuple[FigureSpec, list[Panel], float]:
    spec = next((one for one in registry() if one.name == name), None)
    if spec is None:
        raise UserError(f"figure={name} is no figure of the report; known are {listing(one.name for one in registry())}")
    width = inches(config.width)
    run = chosen(load_run(root, config, tables_read()), models, data)
    spec = spec.for_run(run)
    panels = spec.panels(run) if spec.present(run) else []
    if not panels:
        lacks = "; ".join(spec.missing(run)) or "no model plays the part that it shows"
        raise UserError(f"figure={name} has nothing to draw here: {lacks}")
    return spec, panels, width


def chosen(run: Run, models: Sequence[str], data: Sequence[str]) -> Run:
    """The run with these models and data sets alone, each by its name in the root or on the page."""
    encoders = _named("models", models, {encoder: shown_name(encoder, run.config) for encoder in run.encoders})
    datasets = _named("data", data, {dataset: run.shown(dataset) for dataset in run.datasets})
    cells = tuple(cell for cell in run.cells if cell.encoder in encoders and cell.dataset in datasets)
    return replace(run, cells=cells, curves={encoder: curve for encoder, curve in run.curves.items() if encoder in encoders})


def _named(field: str, wanted: Sequence[str], shown: dict[str, str]) -> Collection[str]:
    """The names in the root; all where none is asked for."""
    by_word = {word: key for key, word in shown.items()} | {key: key for key in shown}
    if unknown := [word for word in wanted if word not in by_word]:
        raise UserError(f"{field}={unknown[0]} is not under this root; there are {listing(shown)}")
    return [by_word[word] for word in wanted] if wanted else list(shown)
