"""metrics.json and the tables beside it, published part by part: runs on one root at once lose nothing of each other.

metrics.json holds the hash of each part and the sha256 of each table, so that a reader never takes a table of one run for that of another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
    """What one run has measured: its parts with their hashes, their keys of metrics.json, and their tables."""

    parts: dict[str, str]
    keys: dict[str, Any]
    tables: dict[str, Columns]


def table_url(url: str, name: str) -> str:
    """The table of this name beside the metrics.json at `url`."""
    return join(url.rpartition("/")[0], f"{name}.parquet")


def standing_parts(url: str, metrics: Metrics, hashes: Metrics) -> dict[str, Any]:
    """Keys of the parts with these hashes, whose tables match too; `part_hashes` and `tables` are of these parts."""
    names = [name for name, own in _hashes(metrics).items() if own == hashes.get(name) and _whole(url, metrics, name)]
    return _of(metrics, names)


def publish_parts(url: str, head: Metrics, before: Metrics, made: Made, hashes: Metrics) -> dict[str, Any]:
    """Publish the tables and keys of a run into what stands, and return the published keys.

    `before` is the metrics.json that the run began with: a part that another run has published since stays, whatever its settings.
    """

    def change(now: dict[str, Any] | None) -> dict[str, Any]:
        entries = {
            name: publish_table(table_url(url, name), made.tables[name], own) for part, own in made.parts.items() for name in TABLES[part]
        }
        kept = _kept(url, now or {}, before, hashes, set(made.parts))
        merged = {"part_hashes": {**kept["part_hashes"], **made.parts}, "tables": {**kept["tables"], **entries}}
        return {**head, **_in_order({**kept, **made.keys, **merged})}

    found = update_json(url, change) or {}
    return {name: found[name] for name in found if name not in head}


def _kept(url: str, now: Metrics, before: Metrics, hashes: Metrics, measured: set[str]) -> dict[str, Any]:
    """What of the present metrics.json stays: parts of this run's settings, and parts that came while it ran."""
    own, old = _hashes(now), _hashes(before)
    stays = {name for name in own if name not in measured and (own[name] != old.get(name) or own[name] == hashes[name])}
    return _of(now, [name for name in own if name in stays and _whole(url, now, name)])


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
