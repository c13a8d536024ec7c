"""The query actor: for each query shard it asks every reference actor, merges their best matches and publishes. It reads no vectors.

Where the reference takes several passes, what a pass found is kept beside the result, in `_partial`, until the last one merges it.

Legend: N queries, K matches, L matches of parts.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.join.reference_actor import FOUND, Found, JoinPlan, Unit
from tda.errors import LacunaError
from tda.geometry.neighbors.top_k import best_of
from tda.store.commit.records import read_record
from tda.store.datasets.cells import Group
from tda.store.datasets.nearest import Matches, publish_matches
from tda.store.datasets.shard import read_shard
from tda.store.files import exists, filesystem, join, publish
from tda.store.paths import RootPaths
from tda.store.types import VECTORS


@dataclass(frozen=True)
class Lost:
    """A reference actor did not answer: the unit has to be done again when it is back."""

    reason: str


def pass_name(plan: JoinPlan, groups: Sequence[Group]) -> str:
    """Names what a pass over some groups found, by content: other settings or another cut into passes do not mix with it."""
    content = [plan.cells.content, plan.probes, plan.k, sorted(group.url for group in groups)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def partial_url(plan: JoinPlan, name: str, unit: Unit, rows_sha256: str) -> str:
    """Bound to the query rows too: embeddings made again are searched again."""
    folder = RootPaths(plan.cells.root).nearest_dir(plan.dataset, plan.cells.encoder, plan.cells.reference)
    content = hashlib.sha256(repr((unit, rows_sha256)).encode()).hexdigest()[:16]
    return join(folder, "_partial", name, f"{unit.name.strip('_')}-{content}.parquet")


class QueryActor:
    """`passes`: names of the passes so far, the one at hand last; `last`: whether the reference is complete with it."""

    def __init__(self, plan: JoinPlan, holders: Sequence[Any], modalities: Sequence[str], passes: Sequence[str], *, last: bool) -> None:
        self.plan, self.holders, self.modalities, self.passes, self.last = plan, holders, modalities, passes, last
        self.paths = RootPaths(plan.cells.root)

    def join(self, unit: Unit, attempt: int) -> Any:
        """The rows joined; for the audit in the last pass, the exact cosine of every row of the sample, by modality; or `Lost`.

        Raises ShardError if the shard cannot be used.
        """
        began = time.perf_counter()
        sha256 = self._sha256(unit)
        here = partial_url(self.plan, self.passes[-1], unit, sha256)
        if not self.last and exists(here):
            return 0
        found = self._ask(unit)
        if isinstance(found, Lost):
            return found
        if not self.last:
            _publish_found(here, found)
            return 0
        earlier = [partial_url(self.plan, name, unit, sha256) for name in self.passes[:-1]]
        parts = [*map(_read_found, earlier), found]
        if unit.is_audit:
            count = sum(len(rows) for _, rows in unit.rows)
            made: Any = {name: _merge(parts, name, count, 1, self.plan).cosine_NK[:, 0] for name in VECTORS}
        else:
            made = self._publish(unit, parts, sha256, attempt, began)
        for url in earlier:
            fs, path = filesystem(url)
            fs.rm_file(path)
        return made

    def _sha256(self, unit: Unit) -> str:
        names = [shard for shard, _ in unit.rows] or [unit.name]
        records = [read_record(self.paths, self.plan.dataset, self.plan.cells.encoder, name) for name in names]
        return "".join(str(record.output["sha256"]) for record in records)

    def _ask(self, unit: Unit) -> list[Found] | Lost:
        import ray
        from ray import exceptions

        router = self.holders[sum(unit.name.encode()) % len(self.holders)]
        routes = router.route.remote(unit, self.modalities)
        try:
            answers: list[Found] = ray.get([holder.match.remote(unit, routes) for holder in self.holders])
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, LacunaError):
                raise error.cause from None
            if isinstance(error.cause, exceptions.RayError):
                return Lost(type(error.cause).__name__)
            raise
        except exceptions.RayError as error:
            return Lost(type(error).__name__)
        return answers

    def _publish(self, unit: Unit, parts: Sequence[Any], sha256: str, attempt: int, began: float) -> int:
        rows = read_shard(self.paths, self.plan.dataset, self.plan.cells.encoder, unit.name, ())
        publish_matches(
            self.paths,
            ordinal_N=rows.ordinal_N.tolist(),
            keys=rows.key_N.tolist(),
            matches={name: _merge(parts, name, len(rows), self.plan.k, self.plan) for name in VECTORS},
            shard=unit.name,
            rows_sha256=sha256,
            attempt=attempt,
            seconds={"join": round(time.perf_counter() - began, 6)},
            **self.plan.settings,
        )
        return len(rows)


def _merge(parts: Sequence[Any], modality: str, count: int, k: int, plan: JoinPlan) -> Matches:
    """The K best of all parts, ties by position in the reference."""
    tables = [found[modality] for part in parts for found in (part if isinstance(part, list) else [part]) if modality in found]
    whole = pa.concat_tables([FOUND.empty_table(), *tables])
    cosine_NK, place_NK = best_of(*(whole[name].to_numpy() for name in ("query", "cosine", "position")), count=count, k=k)
    at = np.maximum(place_NK, 0)
    shards = np.array([name for name, _ in plan.cells.shards], dtype=object)
    begin = np.cumsum([rows for _, rows in plan.cells.shards])
    taken = {name: whole[name].to_numpy()[at] if len(whole) else at for name in ("position", "ordinal", "key")}
    return Matches(
        cosine_NK=cosine_NK,
        shard_NK=shards[np.minimum(np.searchsorted(begin, taken["position"], side="right"), len(shards) - 1)],
        ordinal_NK=taken["ordinal"],
        key_NK=taken["key"],
        count_N=(place_NK >= 0).sum(axis=1),
    )


def _publish_found(url: str, found: Sequence[Mapping[str, pa.Table]]) -> None:
    tables = [table.append_column("modality", pa.array([name] * len(table), pa.string())) for part in found for name, table in part.items()]
    publish(url, lambda file: pq.write_table(pa.concat_tables(tables), file, compression="zstd"))


def _read_found(url: str) -> Found:
    fs, path = filesystem(url)
    with fs.open(path, "rb") as file:
        table = pq.read_table(file)
    return {name: table.filter(pc.equal(table["modality"], name)).select(FOUND.names) for name in VECTORS}
