"""The report of a root. In a notebook: `show(root)` is the report or its explorer in a frame, `figure("fig04", root)` one figure."""

from collections.abc import Sequence
from typing import Any

from tda.config.stages import ReportConfig


def figure(name: str, root: str, *, models: Sequence[str] = (), data: Sequence[str] = (), config: ReportConfig | None = None) -> Any:
    """A figure of the report (fig01, fig04, ...) as a matplotlib figure, of these models and data sets alone where any are named.

    Raises UserError for an unknown figure, model or data set, and where the root lacks what the figure is drawn from.
    """
    from tda.report import one_figure

    return one_figure.figure(name, root, models=models, data=data, config=config)


def show(root: str, dataset: str = "", encoder: str = "", height: int = 800) -> Any:
    """The explorer of a report inline, or its page where there is no explorer, on this data set and model where they are named.

    Raises UserError where no report was made on this machine.
    """
    from tda.report import frame

    return frame.show(root, dataset, encoder, height)
