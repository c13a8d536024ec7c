"""The audit of a join: a sample of queries is also answered exactly, and the share of duplicates that the join found is reported.

Legend: S sampled rows.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.join.reference_actor import Unit
from tda.config.stages import NearestConfig
from tda.geometry.duplicate_recall import duplicate_recall
from tda.store.commit.records import RecordedRows, ShardRecord
from tda.store.datasets.nearest import NearestSet
from tda.store.documents import document_if_whole, sealed
from tda.store.files import publish_json
from tda.store.paths import RootPaths
from tda.store.types import VECTORS

SCHEMA = 3  # its intervals are for a sample of shards
AUDITED_SHARDS = 64  # at most: a sample of a larger set is drawn from some shards, not from all
NAME = "_audit"


@dataclass(frozen=True)
class Audit:
    """Decides which rows are sampled, and reports their recall. `settings` name the join that is audited."""

    root: str
    names: tuple[str, str, str]  # data set, encoder, reference
    nearest: NearestConfig
    records: Mapping[str, ShardRecord | RecordedRows]
    settings: dict[str, Any]

    @property
    def unit(self) -> Unit:
        """The sample: rows drawn without repetition, in order."""
        counts = {shard: record.rows_out for shard, record in self.records.items()}
        return Unit(NAME, drawn_rows(counts, self.nearest.audit_rows, self.nearest.seed))

    @property
    def _filled(self) -> list[str]:
        return [shard for shard, record in self.records.items() if record.rows_out]

    @property
    def hash(self) -> str:
        rows = [[shard, record.sha256] for shard, record in self.records.items()]
        asked = [self.nearest.seed, self.nearest.audit_rows, sorted({*self.nearest.thresholds, self.nearest.threshold})]
        return hashlib.sha256(json.dumps([SCHEMA, rows, asked, self.settings], sort_keys=True).encode()).hexdigest()

    def done(self) -> dict[str, Any] | None:
        """The report of the same join and sample; None where there is none."""
        reported = document_if_whole(RootPaths(self.root).nearest_audit(*self.names))
        return reported if reported.get("hash") == self.hash else None

    def publish(self, exact: dict[str, Any] | None, chosen: dict[str, Any] | None = None) -> dict[str, Any]:
        """Compare with what the join found and publish `audit.json`. `exact` None: the join itself was exact.

        `chosen`: what the number of cells was chosen by, if it was.
        """
        unit, joined = self.unit, NearestSet(self.root, *self.names)
        found = {name: self._found(joined, unit, name) for name in VECTORS}
        recall = {name: self._recall(exact and exact[name], found[name], unit) for name in VECTORS}
        reported = {
            "schema": SCHEMA,
            "hash": self.hash,
            **self.settings,
            "exact": exact is None,
            "rows": sum(len(rows) for _, rows in unit.rows),
            "seed": self.nearest.seed,
            "threshold": self.nearest.threshold,
            "median": {name: float(np.median(found[name])) for name in VECTORS},
            **recall,
            **({"chosen": chosen} if chosen else {}),
        }
        whole = sealed(reported)
        publish_json(RootPaths(self.root).nearest_audit(*self.names), whole)
        return whole

    def _recall(self, exact_S: Any | None, found_S: Any, unit: Unit) -> list[dict[str, Any]]:
        """Recall by threshold. Rows of all shards are a plain sample; where shards were drawn, intervals are by shard."""
        thresholds = [*self.nearest.thresholds, self.nearest.threshold]
        if exact_S is None:  # nothing was left to chance: no interval
            return [one | {"low": None, "high": None} for one in duplicate_recall(found_S, found_S, thresholds)]
        shard_S = np.repeat(np.arange(len(unit.rows)), [len(rows) for _, rows in unit.rows])
        return duplicate_recall(_stored(exact_S), found_S, thresholds, shard_S if len(self._filled) > AUDITED_SHARDS else None)

    def _found(self, joined: NearestSet, unit: Unit, modality: str) -> Any:
        column = f"{modality}_cosine"
        return np.concatenate([joined.shard_table(shard, [column])[column].to_numpy()[list(rows)] for shard, rows in unit.rows])


def drawn_rows(counts: Mapping[str, int], wanted: int, seed: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Places of at most `wanted` rows in each of at most `AUDITED_SHARDS` shards of so many rows, without repetition, in order."""
    rng = np.random.default_rng(seed)
    filled = [shard for shard, rows in counts.items() if rows]
    shards = [filled[i] for i in np.sort(rng.permutation(len(filled))[:AUDITED_SHARDS])]
    sizes = np.array([counts[shard] for shard in shards], dtype=np.int64)
    chosen = np.sort(rng.permutation(sizes.sum())[:wanted])
    begin = np.cumsum(sizes) - sizes
    at = np.searchsorted(begin, chosen, side="right") - 1
    return tuple((shards[i], tuple((chosen[at == i] - begin[i]).tolist())) for i in np.unique(at))


def _stored(cosine_S: Any) -> Any:
    """As the join stores it."""
    return np.asarray(cosine_S, dtype=np.float32)


def at_threshold(reported: dict[str, Any], modality: str) -> dict[str, Any]:
    """The recall at the threshold of the rule."""
    found: dict[str, Any] = next(one for one in reported[modality] if one["threshold"] == reported["threshold"])
    return found


def too_low(reported: dict[str, Any], min_recall: float) -> list[str]:
    """Modalities of which the sample does not show this recall: the lower end of its interval is below, or it has no duplicates."""
    if reported["exact"] or not min_recall:
        return []
    return [name for name in VECTORS if at_threshold(reported, name)["low"] < min_recall and not _shown(reported, name, min_recall)]


def missed(reported: dict[str, Any], min_recall: float) -> bool:
    """Whether a modality found fewer of the sampled duplicates than that, so that more cells have to be searched."""
    found = [at_threshold(reported, name)["recall"] for name in too_low(reported, min_recall)]
    return any(recall is not None and recall < min_recall for recall in found)


def _shown(reported: dict[str, Any], name: str, min_recall: float) -> bool:
    """Whether the queries by which the cells were chosen show the recall, and those of the audit do not deny it."""
    recall = at_threshold(reported, name)["recall"]
    return bool(reported.get("chosen", {}).get(name, {}).get("low", 0.0) > min_recall and (recall is None or recall >= min_recall))


def shortfall(reported: dict[str, Any], nearest: NearestConfig, probes: int | None) -> str:
    """What the modalities of `too_low` lack, and the setting that changes it; "" where there are none."""
    kinds: dict[str, list[str]] = {}
    for name in too_low(reported, nearest.min_recall):
        recall = at_threshold(reported, name)["recall"]
        kinds.setdefault("none" if recall is None else "low" if recall < nearest.min_recall else "few", []).append(name)
    asked, more = f"nearest.min_recall={nearest.min_recall:g}", f"raise nearest.audit_rows={nearest.audit_rows}"
    again = "the same command searches more cells" if nearest.probes == "auto" else f"raise nearest.probes={probes}"
    words = {
        "low": f"below {asked}: {again}",
        "few": f"at the lower end of the interval below {asked}: {more}, or nearest.probes={probes}",
        "none": f"without a duplicate in the sample, which shows no recall: {more}, or search exactly by nearest.probes=null",
    }
    return "; ".join(f"{' and '.join(names)} {words[kind]}" for kind, names in kinds.items())


def line(reported: dict[str, Any]) -> str:
    """The audit in one line."""
    medians = ", ".join(f"{name} {reported['median'][name]:.4f}" for name in VECTORS)
    return f"median closest cosine of {reported['rows']} sampled rows: {medians}; {_recall(reported)}"


def _recall(reported: dict[str, Any]) -> str:
    if reported["exact"]:
        return "exact"
    parts = []
    for name in VECTORS:
        one = at_threshold(reported, name)
        share = "not in the sample" if one["recall"] is None else f"{one['recall']:.4f} [{one['low']:.4f}, {one['high']:.4f}]"
        parts.append(f"{name} {share} ({one['found']} of {one['duplicates']})")
    return f"recall of duplicates at {reported['threshold']:g}: {', '.join(parts)}"


def settings_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a record that name the join."""
    return {name: fields[name] for name in ("reference_hash", "layout_hash", "weights_sha256", "probes", "k")}
