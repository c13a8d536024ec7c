"""Every arm at every temperature: the mean over seeds, with its interval where there are two seeds or more."""

from tda.geometry.mean_interval import mean_interval
from tda.report.data.load import Run
from tda.report.drawing.table import Column, Table, Value
from tda.report.topics.temperature.findings import temperature_findings
from tda.report.topics.temperature.numbers import NUMBERS, Number, Trained, label_of, trained


def temperature_table(run: Run) -> Table:
    """A row for each data set, arm and temperature."""
    groups: dict[tuple[str, str, float], list[Trained]] = {}
    for one in trained(run):
        groups.setdefault((one.dataset, one.arm, one.inv_tau), []).append(one)
    rows: list[list[Value]] = [
        [dataset, arm, inv_tau, len(group), *(value for number in NUMBERS for value in _values(group, number))]
        for (dataset, arm, inv_tau), group in groups.items()
    ]
    return Table(
        name="temperature",
        label="Temperature",
        title="Loss, Hopfield retrieval and temperature",
        columns=_columns(run),
        rows=rows,
        sentences=temperature_findings(run),
        note="Means over the seeds of a sweep over train.inv_tau and train.seed; +- is half of Student's 95 % interval.",
    )


def _columns(run: Run) -> list[Column]:
    heads = [
        Column(label="Data set"),
        Column(label="Arm"),
        Column(label="1 / temperature", show="{:g}".format),
        Column(label="Seeds", show="{:.0f}".format),
    ]
    pairs = ((Column(label=label_of(one, run), show=one.show), Column(label=f"+- {label_of(one, run)}", show=one.show)) for one in NUMBERS)
    return [*heads, *(column for pair in pairs for column in pair)]


def _values(group: list[Trained], number: Number) -> tuple[Value, Value]:
    found = [one.numbers[number.path] for one in group if number.path in one.numbers]
    if len(found) < 2:
        return (found[0] if found else None), None
    interval = mean_interval(found)
    return interval.mean, interval.high - interval.mean
