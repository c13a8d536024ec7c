"""What a sweep shows, in a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

from tda.report.data.sweeps import Sweep


def extremes(sweep: Sweep, chosen: list[str]) -> list[str]:
    """Where each drawn number of a sweep is smallest and largest."""
    return [text for number in sweep.drawn(chosen) if (text := _extremes(sweep, number))]


def _extremes(sweep: Sweep, number: str) -> str:
    cells = [cell for cell in sweep.whole if number in cell["numbers"]]
    if len(cells) < 2:
        return ""
    low, high = min(cells, key=lambda cell: cell["numbers"][number]), max(cells, key=lambda cell: cell["numbers"][number])
    if low["numbers"][number] == high["numbers"][number]:
        return f"In {sweep.name}, {number} is {low['numbers'][number]:.4g} in all {len(cells)} cells."
    ends = [f"{cell['numbers'][number]:.4g} ({values_text(cell, sweep.keys)})" for cell in (low, high)]
    return f"In {sweep.name}, {number} goes from {ends[0]} to {ends[1]}."


def values_text(cell: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The swept values of a cell, by the last word of each key."""
    return ", ".join(f"{short(key)} {value_text(cell['values'][key])}" for key in keys if key in cell["values"])


def short(key: str) -> str:
    return key.removesuffix(".name").rpartition(".")[2]


def value_text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else f"{value:g}" if isinstance(value, float) else str(value)
