"""The reference actor: holds groups of cells in memory, on its device, and answers for query shards by name.

It reads queries from storage itself. What it returns of a row is its best matches with their identity, never a vector.

Legend: N queries, D dimensions, K matches, C cells, P probed cells, U rows held, E of these and the rows that repeat them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.runtime.tasks import uncollected
from tda.store.datasets.cells import CellPlan, Group, read_columns
from tda.store.datasets.shard import read_shard
from tda.store.files import join
from tda.store.paths import RootPaths

FOUND = pa.schema(
    [
        pa.field("query", pa.int64()),
        pa.field("cosine", pa.float64()),
        pa.field("position", pa.int64()),
        pa.field("ordinal", pa.int64()),
        pa.field("key", pa.string()),
    ]
)
Found = dict[str, pa.Table]  # modality -> matches in `FOUND`, of some queries


@dataclass(frozen=True, kw_only=True)
class JoinPlan:
    """The settings that every actor of a join receives. `probes` None: every cell; auto: not chosen yet."""

    cells: CellPlan
    groups: tuple[Group, ...]
    dataset: str
    probes: Any
    k: int
    threads: int
    device: str
    settings: Mapping[str, Any]  # fields of every record

    def first_cells(self, modality: str) -> dict[str, int]:
        """Number of the first cell of each group of a modality."""
        mine = [group for group in self.groups if group.modality == modality]
        return dict(zip([group.name for group in mine], np.cumsum([0, *(group.cells for group in mine)]).tolist(), strict=False))


@dataclass(frozen=True)
class Unit:
    """A query shard, or (`rows`) the audit's sample: rows of some shards by place, which are searched exactly."""

    name: str
    rows: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def is_audit(self) -> bool:
        return bool(self.rows)

    def read(self, plan: JoinPlan, modality: str) -> Any:
        """(N, D) vectors of its rows."""
        paths, encoder = RootPaths(plan.cells.root), plan.cells.encoder
        if not self.is_audit:
            return read_shard(paths, plan.dataset, encoder, self.name, (modality,)).vectors[modality]
        taken = [read_shard(paths, plan.dataset, encoder, shard, (modality,)).vectors[modality][list(rows)] for shard, rows in self.rows]
        return np.concatenate(taken)


class ReferenceActor:
    """Holds the groups given to `load`, not to the constructor: an unreadable file fails a task, not the start of an actor."""

    def __init__(self, plan: JoinPlan) -> None:
        self.plan = plan
        self._groups: list[Group] = []
        self._held: dict[str, _Held] = {}
        self._centroids: dict[str, Any] = {}
        self._unit: Unit | None = None
        self._queries: dict[str, Any] = {}

    def load(self, groups: list[Group]) -> int:
        """Hold these groups, and no others; returns the rows held. Those that are held already are not read again."""
        with uncollected():
            import torch

            import tda.geometry.neighbors.reference  # noqa: F401 (with what a search needs)

        torch.set_num_threads(self.plan.threads)
        if self._groups != groups:
            self._held, self._groups = {}, []  # free memory first
            for name in sorted({group.modality for group in groups}):
                self._held[name] = _Held(self.plan, [group for group in groups if group.modality == name])
            self._groups = groups
        return sum(len(held.table) for held in self._held.values())

    def route(self, unit: Unit, modalities: Sequence[str]) -> dict[str, Any]:
        """The cells (N, P) int32 that each row looks into, for each modality; {} where it is every cell."""
        from tda.geometry.neighbors.kmeans import nearest_cells

        if self.plan.probes is None or unit.is_audit:
            return {}
        tables = {name: self._centroid_table(name) for name in modalities}
        return {
            name: nearest_cells(table, self._read(unit, name), self.plan.probes, self.plan.threads).astype(np.int32)
            for name, table in tables.items()
            if self.plan.probes < len(table)
        }

    def match(self, unit: Unit, routes: Mapping[str, Any]) -> Found:
        """The K best of the rows held, for each row that looks into one of them."""
        return {name: held.match(self._read(unit, name), routes.get(name)) for name, held in self._held.items()}

    def closest(self, vectors: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Cosine and cell of the closest of all rows held, (Q,) each, for queries (Q, D) of each modality that is held."""
        return {name: held.closest(self._tensor(vectors[name])) for name, held in self._held.items()}

    def cell_ranks(self, vectors: Mapping[str, Any], cells: Mapping[str, Any]) -> dict[str, Any]:
        """The rank (Q,) of a cell (Q,) for each query (Q, D), 1 the nearest, by modality."""
        from tda.geometry.neighbors.kmeans import cell_ranks

        return {name: cell_ranks(self._centroid_table(name), self._tensor(vectors[name]), cell_Q) for name, cell_Q in cells.items()}

    def probe(self, probes: int | None, settings: Mapping[str, Any]) -> None:
        """Search so many cells from now on."""
        self.plan = replace(self.plan, probes=probes, settings=settings)

    def _tensor(self, x_QD: Any) -> Any:
        import torch

        return torch.from_numpy(np.array(x_QD)).to(self.plan.device)

    def _read(self, unit: Unit, modality: str) -> Any:
        """A tensor of the unit's rows; those of the last unit are kept, since a route is followed by a match."""
        import torch

        if self._unit != unit:
            self._unit, self._queries = unit, {}
        if modality not in self._queries:
            self._queries[modality] = torch.from_numpy(np.array(unit.read(self.plan, modality))).to(self.plan.device)
        return self._queries[modality]

    def _centroid_table(self, modality: str) -> Any:
        if modality not in self._centroids:
            from tda.geometry.neighbors.kmeans import centroid_table

            names = [group.url for group in self.plan.groups if group.modality == modality]
            parts = [read_columns(join(self.plan.cells.folder, f"{name}.cells.parquet"))["centroid"] for name in names]
            self._centroids[modality] = centroid_table(np.concatenate(parts), self.plan.device)
        return self._centroids[modality]


class _Held:
    """Groups of one modality as one table, filled group by group, so that rows are in memory once."""

    def __init__(self, plan: JoinPlan, groups: Sequence[Group]) -> None:
        import torch

        from tda.geometry.neighbors.reference import Repeats
        from tda.geometry.neighbors.table import Table

        self.plan, cells, first_cells = plan, plan.cells, plan.first_cells(groups[0].modality)
        count = sum(group.rows for group in groups)
        rows_UD = torch.empty(
            (count, cells.dim), dtype={"float16": torch.float16, "float32": torch.float32}[cells.dtype], device=plan.device
        )
        sizes, numbers, kept, repeats, start = [np.zeros(1, np.int64)], list[Any](), list[Any](), list[Any](), 0
        for group in groups:
            columns = read_columns(cells.url(f"{group.url}.parquet"))
            rows_UD[start : start + group.rows] = torch.from_numpy(np.require(columns.pop("vector"), requirements=["C", "W"]))
            again = read_columns(cells.url(f"{group.url}.repeats.parquet"))
            repeats.append(again | {"first": again["first"] + start})
            kept.append(columns)
            sizes.append(read_columns(cells.url(f"{group.url}.cells.parquet"))["rows"])
            numbers.append(first_cells[group.name] + np.arange(group.cells))
            start += group.rows
        self.identity = {name: np.concatenate([part[name] for part in (*kept, *repeats)]) for name in ("position", "ordinal", "key")}
        first_E = np.concatenate([np.arange(count), *(part["first"] for part in repeats)])
        self.repeats = Repeats(first_E, np.arange(count))
        self.table = Table(rows_UD, torch.from_numpy(self.identity["position"][:count]).to(plan.device), np.cumsum(np.concatenate(sizes)))
        total = sum(group.cells for group in plan.groups if group.modality == groups[0].modality)
        self.local_C = np.full(total, -1)  # number of a cell -> its place here
        self.number_L = np.concatenate(numbers)
        self.local_C[self.number_L] = np.arange(len(self.table.bounds) - 1)

    def closest(self, queries_QD: Any) -> tuple[Any, Any]:
        from tda.geometry.neighbors.search import search

        cosine_Q1, row_Q1 = search(self.table, queries_QD, 1, None, self.plan.threads)
        return cosine_Q1[:, 0], self.number_L[np.searchsorted(self.table.bounds, row_Q1[:, 0], side="right") - 1]

    def match(self, queries_ND: Any, cells_NP: Any) -> pa.Table:
        from tda.geometry.neighbors.search import search

        local_NP = None if cells_NP is None else self.local_C[cells_NP]
        cosine, row = search(self.table, queries_ND, self.plan.k, local_NP, self.plan.threads)
        if self.plan.k > 1:
            cosine, row = self.repeats.expand(cosine, row, self.identity["position"])
        there = row >= 0
        entry = row[there]
        columns = [np.nonzero(there)[0], cosine[there], *(self.identity[name][entry] for name in ("position", "ordinal", "key"))]
        return pa.Table.from_arrays([pa.array(column, field.type) for column, field in zip(columns, FOUND, strict=True)], schema=FOUND)
