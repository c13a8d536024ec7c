"""metrics.json and the tables beside it, published part by part: runs on one root at once lose nothing of each other.

metrics.json holds the hash of each part and the sha256 of each table, so that a reader never takes a table of one run for that of another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.analysis.registry import REGISTRY
from tda.columns import Columns
from tda.store.files import join
from tda.store.tables import SCHEMA, belongs, publish_table
from tda.store.update import update_json

Metrics = Mapping[str, Any]
TABLES = {part.name: part.tables for part in REGISTRY}
KEYS = {part.name: part.keys for part in REGISTRY}


@dataclass(frozen=True, kw_only=True)
class Made:
    """What one run has measured: its parts with their hashes, their keys of metrics.json, and their tables.

    `entries` are of tables that already stand beside metrics.json. `outdates` names parts that rest on these: of other settings, they go.
    """

    parts: dict[str, str]
    keys: dict[str, Any]
    tables: dict[str, Columns]
    entries: dict[str, Any] = field(default_factory=dict)
    outdates: frozenset[str] = frozenset()


def table_url(url: str, name: str) -> str:
    """The table of this name beside the metrics.json at `url`."""
    return join(url.rpartition("/")[0], f"{name}.parquet")


def standing_parts(url: str, metrics: Metrics, *hashes: Metrics) -> dict[str, Any]:
    """Keys of the parts with any of these hashes, whose tables match too; `part_hashes` and `tables` are of these parts."""
    return _of(metrics, [name for name in _current(metrics, hashes) if _whole(url, metrics, name)])


def publish_parts(url: str, head: Metrics, before: Metrics, made: Made, *hashes: Metrics) -> dict[str, Any]:
    """Publish the tables and keys of a run into what stands, and return the published document.

    `before` is the metrics.json that the run began with. Parts that were not measured now stay: those of the same rows, whatever their
    settings, unless they rest on what was measured; and those that another run has published since.
    """

    def change(now: dict[str, Any] | None) -> dict[str, Any]:
        entries = {
            name: made.entries.get(name) or publish_table(table_url(url, name), made.tables[name], own)
            for part, own in made.parts.items()
            for name in TABLES[part]
        }
        stays = _staying(now or {}, head, before, made, hashes)
        kept = _of(now or {}, [name for name in stays if _whole(url, now or {}, name)])
        merged = {"part_hashes": {**kept["part_hashes"], **made.parts}, "tables": {**kept["tables"], **entries}}
        return {**head, **_in_order({**kept, **made.keys, **merged})}

    return update_json(url, change) or {}


def _staying(now: Metrics, head: Metrics, before: Metrics, made: Made, hashes: tuple[Metrics, ...]) -> list[str]:
    """The parts of the present metrics.json that stay beside those that were made."""
    own, old, current = _hashes(now), _hashes(before), _current(now, hashes)
    rows = now.get("rows_sha256")  # earlier versions did not write it
    same_rows = rows == head.get("rows_sha256") if rows else bool(current)
    beside = [name for name in own if same_rows and name not in made.outdates]
    return [name for name in own if name not in made.parts and (name in beside or name in current or own[name] != old.get(name))]


def _current(metrics: Metrics, hashes: tuple[Metrics, ...]) -> list[str]:
    """The parts with any of these hashes."""
    return [name for name, own in _hashes(metrics).items() if own in [one.get(name) for one in hashes]]


def _hashes(metrics: Metrics) -> dict[str, str]:
    """The hash of each part that has all its keys."""
    known = metrics.get("part_hashes") if metrics.get("schema") == SCHEMA else None
    known = known if isinstance(known, dict) else {}
    return {name: str(known[name]) for name in KEYS if name in known and all(key in metrics for key in KEYS[name])}


def _whole(url: str, metrics: Metrics, part: str) -> bool:
    entries = metrics.get("tables")
    return all(
        belongs(table_url(url, name), _hashes(metrics)[part], entries.get(name) if isinstance(entries, dict) else None)
        for name in TABLES[part]
    )


def _of(metrics: Metrics, parts: list[str]) -> dict[str, Any]:
    entries = metrics.get("tables")
    entries = entries if isinstance(entries, dict) else {}
    return {
        "part_hashes": {part: _hashes(metrics)[part] for part in parts},
        "tables": {name: entries[name] for part in parts for name in TABLES[part] if name in entries},
        **{key: metrics[key] for part in parts for key in KEYS[part]},
    }


def _in_order(found: Metrics) -> dict[str, Any]:
    """Parts in the order of the registry, after their hashes and tables."""
    hashes, entries = found["part_hashes"], found["tables"]
    parts = [part.name for part in REGISTRY if part.name in hashes]
    heads = {"part_hashes": {part: hashes[part] for part in parts}}
    heads["tables"] = {name: entries[name] for part in parts for name in TABLES[part] if name in entries}
    return heads | {key: found[key] for part in parts for key in KEYS[part]}
