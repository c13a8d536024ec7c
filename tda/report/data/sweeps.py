"""Sweeps by `-m` as `jobs` record them: the cells of each with their values and numbers."""

from dataclasses import dataclass
from typing import Any

from tda.report.data.read import json_of
from tda.store.files import exists, join, list_folders
from tda.store.paths import RootPaths

MAIN = (  # numbers that a sweep is drawn by where no other is chosen, the first that its cells have
    "gap.centroid_distance", "retrieval.image_to_text.top1", "spectrum.both.effective_rank", "separability.heldout.accuracy",
    "clusters.count", "mixing", "dropped_fraction",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """`keys` are swept; a cell has `values` by key, a `state`, and `numbers` by dotted path."""

    name: str
    job: str
    keys: tuple[str, ...]
    objective: str | None
    cells: tuple[dict[str, Any], ...]

    @property
    def whole(self) -> list[dict[str, Any]]:
        return [cell for cell in self.cells if cell["state"] == "whole"]

    @property
    def varied(self) -> list[str]:
        """Keys with more than one value among the whole cells."""
        return [key for key in self.keys if len({str(cell["values"].get(key)) for cell in self.whole}) > 1]

    @property
    def numbers(self) -> list[str]:
        """Every number that any cell has."""
        return list(dict.fromkeys(number for cell in self.whole for number in cell["numbers"]))

    @property
    def differing(self) -> list[str]:
        """The numbers that are not the same in all cells."""
        return [number for number in self.numbers if len({cell["numbers"].get(number) for cell in self.whole}) > 1]

    def drawn(self, chosen: list[str]) -> list[str]:
        """The numbers that are drawn: the chosen ones that it has, else its objective, else the first main one that differs."""
        known, differing = self.numbers, self.differing
        if found := [number for number in chosen if number in known]:
            return found
        first = [number for number in (*MAIN, *differing) if number in differing] or known
        return [self.objective] if self.objective in known else first[:1]


def sweeps_of(root: str, digest: Any) -> tuple[Sweep, ...]:
    """Every sweep under a root, by name."""
    folder = join(root, "sweeps")
    names = [name for name in list_folders(folder) if exists(RootPaths(root).sweep(name))]
    return tuple(_sweep(name, json_of(RootPaths(root).sweep(name), digest)) for name in names)


def _sweep(name: str, found: dict[str, Any]) -> Sweep:
    cells = tuple({"numbers": {}, **cell} for cell in found["cells"])
    return Sweep(name=name, job=str(found["job"]), keys=tuple(found["keys"]), objective=found.get("objective"), cells=cells)
