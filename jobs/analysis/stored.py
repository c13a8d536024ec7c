"""What analyses have left of the parts: those of this one, and those that a cell of a sweep takes over from its neighbours."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.analysis.part import Part
from jobs.analysis.registry import REGISTRY
from tda.columns import Columns
from tda.store.files import exists, join, list_folders, publish_bytes, read_bytes, read_json
from tda.store.paths import RootPaths, base_of
from tda.store.tables import SCHEMA, read_table, table_hash


@dataclass(frozen=True)
class Stored:
    """Parts by name with the hash of each, and their keys of metrics.json. `others` were measured with other settings."""

    hashes: dict[str, str] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    others: "Stored | None" = None

    def joined(self, newer: "Stored") -> "Stored":
        return Stored(self.hashes | newer.hashes, self.keys | newer.keys, self.others)


@dataclass(frozen=True)
class StoredAnalysis:
    """The analysis of a data set under an encoder in a root."""

    root: str
    dataset: str
    encoder: str

    def table_url(self, name: str) -> str:
        return join(RootPaths(self.root).analysis_dir(self.dataset, self.encoder), f"{name}.parquet")

    def table(self, name: str) -> Columns:
        return read_table(self.table_url(name))

    def existing(self, hashes: Mapping[str, str], former: Mapping[str, str], rows_hash: str) -> Stored:
        """Parts with these hashes, or those of earlier versions, whose tables match. Other parts of the same rows are kept beside."""
        metrics, whole = self.whole()
        current = {name: known for name, known in whole.items() if known in (hashes[name], former[name])}
        same_rows = metrics.get("rows_hash") == rows_hash or bool(current)
        others = {name: known for name, known in whole.items() if name not in current and same_rows}
        return Stored(current, _keys(metrics, current), Stored(others, _keys(metrics, others)))

    def take_over(self, hashes: Mapping[str, str], wanted: Sequence[Part]) -> Stored:
        """In a cell of a sweep, the wanted parts with these hashes of the root around it or of other cells; their tables are copied."""
        found, missing = Stored(), list(wanted)
        for donor in self._neighbours() if missing else ():
            metrics, whole = donor.whole()
            same = [part for part in missing if whole.get(part.name) == hashes[part.name]]
            for part in same:
                for name in part.tables:
                    publish_bytes(self.table_url(name), read_bytes(donor.table_url(name)))
            taken = {part.name: hashes[part.name] for part in same}
            found = found.joined(Stored(taken, _keys(metrics, taken)))
            missing = [part for part in missing if part.name not in taken]
            if not missing:
                break
        return found

    def in_order(self, found: Stored) -> dict[str, Any]:
        """`part_hashes` and the keys of metrics.json, with those that other settings left."""
        others = found.others or Stored()
        known, keys = others.hashes | found.hashes, others.keys | found.keys
        parts = [part for part in REGISTRY if part.name in known]
        return {"part_hashes": {part.name: known[part.name] for part in parts}} | {key: keys[key] for part in parts for key in part.keys}

    def whole(self) -> tuple[dict[str, Any], dict[str, str]]:
        """metrics.json, and the hash of each part of it whose tables match."""
        url = RootPaths(self.root).metrics(self.dataset, self.encoder)
        try:
            metrics = read_json(url) if exists(url) else {}
        except ValueError:  # not JSON: measure everything again
            metrics = {}
        known = metrics.get("part_hashes", {}) if metrics.get("schema") == SCHEMA else {}
        parts = [part for part in REGISTRY if part.name in known and all(key in metrics for key in part.keys)]
        matching = [part for part in parts if all(table_hash(self.table_url(name)) == known[part.name] for name in part.tables)]
        return metrics, {part.name: known[part.name] for part in matching}

    def _neighbours(self) -> Iterator["StoredAnalysis"]:
        base = base_of(self.root)
        if base == self.root:
            return
        yield StoredAnalysis(base, self.dataset, self.encoder)
        cells, _, own = self.root.rstrip("/").rpartition("/")
        yield from (StoredAnalysis(join(cells, name), self.dataset, self.encoder) for name in list_folders(cells) if name != own)


def _keys(metrics: Mapping[str, Any], parts: Mapping[str, str]) -> dict[str, Any]:
    return {key: metrics[key] for part in REGISTRY if part.name in parts for key in part.keys}
