"""The table of checkpoints: one row a step."""

from tda.report.data.load import Run
from tda.report.drawing.table import Column, Table, Value, count
from tda.report.topics.over_training import findings
from tda.report.topics.over_training.numbers import label_of, measured, series


def over_training(run: Run) -> Table:
    numbers = measured(run)
    columns = [
        Column(label="Model", numeric=False),
        Column(label="Data set", numeric=False),
        Column(label="Step", show=count),
        *(Column(label=label_of(number, run), show=number.show) for number in numbers),
        Column(label="State", numeric=False),
    ]
    rows: list[list[Value]] = [
        [model, dataset, point.step, *(point.value(*number.path) for number in numbers), _state(point.state, analysed=bool(point.metrics))]
        for (model, dataset), points in series(run).items()
        for point in points
    ]
    return Table(
        name="over_training",
        label="Over training",
        title="Checkpoints by step",
        columns=columns,
        rows=rows,
        sentences=findings.over_training(run),
        note="A checkpoint that failed or vanished has no numbers. Other tables and figures show the last checkpoint of a run alone.",
        outer=2,
    )


def _state(state: str, *, analysed: bool) -> str:
    if state == "succeeded":
        return "analysed" if analysed else "analysed elsewhere"
    return state
