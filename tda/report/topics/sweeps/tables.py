"""The cells of every sweep, with their numbers."""

from tda.report.data.load import Run
from tda.report.data.words import fixed
from tda.report.drawing.table import Column, Table, Value
from tda.report.topics.sweeps.findings import extremes, values_text


def cells_table(run: Run) -> Table:
    """A row a cell. The page has the numbers that are drawn, the CSV every number that differs between the cells of a sweep."""
    drawn = dict.fromkeys(number for sweep in run.sweeps for number in sweep.drawn(run.config.numbers))
    others = dict.fromkeys(number for sweep in run.sweeps for number in sweep.differing if number not in drawn)
    columns = [
        Column(label="Sweep"),
        Column(label="Cell", numeric=False),
        Column(label="State", numeric=False),
        *(Column(label=number, show=fixed) for number in drawn),
        *(Column(label=number, paged=False) for number in others),
    ]
    rows: list[list[Value]] = [
        [sweep.name, values_text(cell, sweep.keys), str(cell["state"]), *(cell["numbers"].get(number) for number in (*drawn, *others))]
        for sweep in run.sweeps
        for cell in sweep.cells
    ]
    failed = [f"{values_text(cell, sweep.keys)}: {cell['error']}" for sweep in run.sweeps for cell in sweep.cells if cell.get("error")]
    return Table(
        name="cells",
        label="Sweeps",
        title="Numbers under the swept values",
        columns=columns,
        rows=rows,
        sentences=[sentence for sweep in run.sweeps for sentence in extremes(sweep, run.config.numbers)],
        remarks=failed,
        note="A cell is one combination of swept values. Choose the numbers by report.numbers; the CSV has all that differ.",
    )
