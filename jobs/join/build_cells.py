"""The reference grouped by cell: three stages of tasks, each of which is skipped where it is done.

`Coarse` finds centroids on a sample, `Part` labels a bundle of shards and writes its rows by group, `Whole` collects the rows of one group
from all parts, splits heavy cells and publishes the group. If it is killed, the same command continues from there.

Legend: S rows of a sample, M rows, D dimensions, C cells.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jobs.runtime.actors.dispatch import dispatch
from jobs.runtime.progress import ShardProgress
from jobs.runtime.session import slots
from jobs.runtime.tasks import uncollected
from tda.config.cluster import ClusterConfig
from tda.config.stages import NearestConfig
from tda.geometry.arrays.devices import cuda
from tda.geometry.arrays.equal_rows import first_equal
from tda.geometry.neighbors.sizes import sampled_rows
from tda.store.datasets.cells import (
    CellPlan,
    Group,
    publish_group,
    publish_layout,
    read_columns,
    read_group_record,
    read_layout,
    write_columns,
)
from tda.store.datasets.shard import read_shard
from tda.store.files import exists, filesystem, list_files, publish_json, read_json
from tda.store.paths import RootPaths
from tda.store.types import VECTORS

BUNDLE_ROWS = 131_072  # rows that one `Part` holds: at D = 512 in float16 0.27 GB of both modalities
ROWS_A_SAMPLED_ROW = 4  # times the sample: the rows of the shards it is drawn from


@dataclass(frozen=True)
class Coarse:
    modality: str


@dataclass(frozen=True)
class Part:
    name: str
    first: int  # position of its first row
    shards: tuple[str, ...]


@dataclass(frozen=True)
class Whole:
    modality: str
    name: str
    index: int
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Entire:
    """All stages, one after the other."""


def lay_out(plan: CellPlan, nearest: NearestConfig, cluster: ClusterConfig) -> list[Group]:
    """Groups of the reference by cell, made where they are not there. Inside a Ray session. Raises the first LacunaError of a task."""
    done = read_layout(plan)
    if done is not None:
        return done
    parts = list(_parts(plan))
    if len(parts) == 1:  # one actor is enough, and starts once
        _run([Entire()], plan, nearest, cluster)
    else:
        for stage in STAGES:
            _run(stage(plan, parts), plan, nearest, cluster)
    wholes = list(_wholes(plan, parts))
    found = [read_group_record(plan, whole.modality, whole.name) for whole in wholes]
    groups = [group for group in found if group is not None and group.rows]
    for modality in VECTORS:
        rows = sum(group.rows + group.repeats for group in groups if group.modality == modality)
        assert rows == plan.rows, f"{rows} {modality} rows grouped of {plan.rows}"
    publish_layout(plan, groups)
    with suppress(OSError):  # leftover parts cost disk space only
        fs, path = filesystem(plan.url("_parts"))
        fs.rm(path, recursive=True)
    return groups


def _coarses_to_do(plan: CellPlan, _: list[Part]) -> list[Any]:
    return [Coarse(modality) for modality in VECTORS if not exists(plan.url(modality, "coarse.parquet"))]


def _parts_to_do(plan: CellPlan, parts: list[Part]) -> list[Any]:
    done = set(list_files(plan.url("_parts"), ".json"))  # one listing: a large reference has tens of thousands
    return [part for part in parts if f"{part.name}.json" not in done]


def _wholes_to_do(plan: CellPlan, parts: list[Part]) -> list[Any]:
    return [whole for whole in _wholes(plan, parts) if read_group_record(plan, whole.modality, whole.name) is None]


STAGES = (_coarses_to_do, _parts_to_do, _wholes_to_do)


def _run(tasks: list[Any], plan: CellPlan, nearest: NearestConfig, cluster: ClusterConfig) -> None:
    if not tasks:
        return
    import ray

    failures: list[Exception] = []
    actors, gpus = slots(cluster)
    builder = ray.remote(num_cpus=cluster.cpus_per_actor, num_gpus=gpus, max_restarts=0, max_task_retries=0)(Builder)
    with ShardProgress(what=f"cells of {plan.reference}: {type(tasks[0]).__name__.lower()}", shards=len(tasks)) as progress:
        dispatch(
            tasks,
            make_actor=lambda: builder.remote(plan, max(1, int(cluster.cpus_per_actor)), "cuda" if gpus else "cpu"),
            submit=lambda handle, task, attempt: handle.build.remote(task, attempt),
            on_result=lambda _, rows: progress.add(pairs=rows),
            on_failure=lambda _, error: failures.append(error),
            actors=min(actors, len(tasks)),
            in_flight=1,
            max_attempts=nearest.max_attempts,
        )
    if failures:
        raise failures[0]


def _parts(plan: CellPlan) -> Iterator[Part]:
    """Consecutive shards of at most `BUNDLE_ROWS` rows, or one larger one."""
    shards: list[str] = []
    first = at = 0
    for shard, rows in plan.shards:
        if shards and at + rows - first > BUNDLE_ROWS:
            yield Part(f"{first:012d}", first, tuple(shards))
            shards, first = [], at
        shards.append(shard)
        at += rows
    yield Part(f"{first:012d}", first, tuple(shards))


def _wholes(plan: CellPlan, parts: list[Part]) -> Iterator[Whole]:
    names = tuple(part.name for part in parts)
    for modality in VECTORS:
        groups = int(read_columns(plan.url(modality, "coarse.parquet"))["group"].max()) + 1
        for index in range(groups):
            yield Whole(modality, f"{index:06d}", index, names)


class Builder:
    """Runs tasks of any stage; each publishes what it makes and returns the rows that went through it."""

    def __init__(self, plan: CellPlan, threads: int, device: str) -> None:
        self.plan, self.paths, self.threads, self.device = plan, RootPaths(plan.root), threads, device

    def build(self, task: Coarse | Part | Whole | Entire, attempt: int) -> int:
        """Raises ShardError for a reference shard that cannot be used."""
        with uncollected():
            import torch

            import tda.geometry.neighbors.kmeans  # noqa: F401 (with what each stage needs)

        torch.set_num_threads(self.threads)
        if isinstance(task, Entire):
            parts = list(_parts(self.plan))
            return max((self.build(one, attempt) for stage in STAGES for one in stage(self.plan, parts)), default=0)
        if isinstance(task, Coarse):
            return self._coarse(task)
        return self._part(task) if isinstance(task, Part) else self._whole(task)

    def _coarse(self, task: Coarse) -> int:
        from tda.geometry.neighbors.kmeans import spherical_kmeans

        plan = self.plan
        sample_SD = self._sample(task.modality)
        centroids_CD = spherical_kmeans(self._on_device(sample_SD), plan.cells, plan.seed)
        label_S = self._labels(centroids_CD, sample_SD)
        estimate_C = np.bincount(label_S, minlength=len(centroids_CD)) * (plan.rows / len(sample_SD))
        group_C = ((np.cumsum(estimate_C) - estimate_C) // plan.group_rows).astype(np.int64)
        group_C = np.unique(group_C, return_inverse=True)[1]
        write_columns(plan.url(task.modality, "coarse.parquet"), {"group": group_C, "centroid": centroids_CD})
        return len(sample_SD)

    def _sample(self, modality: str) -> Any:
        """(S, D) float32 rows, drawn from some shards of a reference that has many."""
        rng, wanted = np.random.default_rng(self.plan.seed), sampled_rows(self.plan.rows, self.plan.cells, self.plan.dim)
        chosen, rows = list[str](), 0
        for index in rng.permutation(len(self.plan.shards)):
            if rows >= ROWS_A_SAMPLED_ROW * wanted:
                break
            chosen.append(self.plan.shards[index][0])
            rows += self.plan.shards[index][1]
        kept = np.sort(rng.permutation(rows)[:wanted])
        taken, start = [], 0
        for shard in chosen:
            x_ND = read_shard(self.paths, self.plan.reference, self.plan.encoder, shard, (modality,)).vectors[modality]
            mine = kept[(kept >= start) & (kept < start + len(x_ND))] - start
            taken.append(x_ND[mine].astype(np.float32))
            start += len(x_ND)
        return np.concatenate(taken)

    def _labels(self, centroids_CD: Any, x_ND: Any) -> Any:
        import torch

        from tda.geometry.neighbors.kmeans import centroid_table, nearest_cells

        x = torch.from_numpy(np.array(x_ND)).to(self.device)
        return nearest_cells(centroid_table(centroids_CD, self.device), x, threads=self.threads)[:, 0]

    def _on_device(self, x_SD: Any) -> Any:
        cupy = cuda(self.device)
        return x_SD if cupy is None else cupy.asarray(x_SD)

    def _part(self, task: Part) -> int:
        plan = self.plan
        shards = [read_shard(self.paths, plan.reference, plan.encoder, shard) for shard in task.shards]
        identity = {"ordinal": np.concatenate([rows.ordinal_N for rows in shards]), "key": np.concatenate([rows.key_N for rows in shards])}
        position_M = task.first + np.arange(len(identity["ordinal"]))
        reported: dict[str, dict[str, int]] = {}
        for modality in VECTORS:
            coarse = read_columns(plan.url(modality, "coarse.parquet"))
            x_MD = np.concatenate([rows.vectors[modality] for rows in shards])
            label_M = self._labels(coarse["centroid"], x_MD)
            group_M = coarse["group"][label_M]
            order = np.argsort(group_M, kind="stable")
            columns = {"position": position_M, **identity, "cell": label_M, "vector": x_MD}
            groups, counts = np.unique(group_M, return_counts=True)
            ordered = {name: column[order] for name, column in columns.items()}
            write_columns(plan.url("_parts", f"{modality}-{task.name}.parquet"), ordered, counts.tolist())
            reported[modality] = {str(group): i for i, group in enumerate(groups.tolist())}
        publish_json(plan.url("_parts", f"{task.name}.json"), reported)
        return len(position_M)

    def _whole(self, task: Whole) -> int:
        from tda.geometry.neighbors.kmeans import arrange

        plan, pieces = self.plan, []
        for part in task.parts:
            row_group = read_json(plan.url("_parts", f"{part}.json"))[task.modality].get(str(task.index))
            if row_group is not None:
                pieces.append(read_columns(plan.url("_parts", f"{task.modality}-{part}.parquet"), row_group))
        if not pieces:  # a centroid to which no row is closest
            publish_json(
                plan.url(task.modality, "_records", f"{task.name}.json"), asdict(Group(**_named(task), rows=0, repeats=0, cells=0))
            )
            return 0
        columns = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
        first_M = first_equal(columns["vector"])
        distinct = first_M == np.arange(len(first_M))
        rows = {name: column[distinct] for name, column in columns.items()}
        centroids_CD = read_columns(plan.url(task.modality, "coarse.parquet"))["centroid"]
        order, bounds, centroids_CD = arrange(rows["vector"], rows.pop("cell"), centroids_CD, plan.bound, plan.seed)
        place_M = np.empty(len(first_M), np.int64)  # new place of each distinct row
        place_M[np.flatnonzero(distinct)[order]] = np.arange(len(order))
        repeats = {name: columns[name][~distinct] for name in ("position", "ordinal", "key")} | {"first": place_M[first_M[~distinct]]}
        group = Group(**_named(task), rows=len(order), repeats=len(first_M) - len(order), cells=len(centroids_CD))
        moved = {name: column[order] for name, column in rows.items()}
        publish_group(plan, group, rows=moved, repeats=repeats, bounds=bounds, centroids_CD=centroids_CD)
        return len(first_M)


def _named(task: Whole) -> dict[str, Any]:
    return {"modality": task.modality, "name": task.name}
