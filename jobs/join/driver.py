"""The join: passes over groups of cells, in each of which reference actors hold their share and answer every query shard.

The driver handles the loss of a reference actor: units that it affects return `Lost`, the actor is started again with the same cells,
and those units are joined again.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from jobs.join.probe_choice import AUTO, UNASKED, Chooser
from jobs.join.query_actor import Lost, QueryActor, pass_name
from jobs.join.reference_actor import JoinPlan, ReferenceActor, Unit
from jobs.runtime.actors.dispatch import dispatch
from jobs.runtime.progress import ShardProgress
from jobs.runtime.run_progress import Work
from jobs.runtime.session import slots
from tda.config.cluster import ClusterConfig
from tda.config.stages import NearestConfig
from tda.errors import LacunaError, UserError
from tda.geometry.neighbors.sizes import cell_count
from tda.store.datasets.cells import Group
from tda.store.types import VECTORS

IDENTITY_BYTES = 64  # of a held row: position, ordinal, norm, scale, key
PAYS = 2e11  # FLOPs of a core in the time that an actor takes to start, about 4 s
MEMORY_SHARE = 0.5  # of an actor's share of the cluster's memory

Assignment = list[list[Group]]  # one list of groups a reference actor


@dataclass
class Join:
    """The result of a join: rows found by unit, failures, and the audit's exact cosines by modality. `work` counts shards."""

    rows: dict[str, int] = field(default_factory=dict)
    failures: list[LacunaError] = field(default_factory=list)
    exact: dict[str, Any] | None = None
    probes: Any = None  # cells that were searched a row; None: all
    work: Work = field(default_factory=lambda: Work(stage="nearest"))


def cells_of(nearest: NearestConfig, rows: int) -> int:
    """Cells that a reference of so many rows is grouped into."""
    return min(nearest.cells or cell_count(rows), rows)


def probes_of(nearest: NearestConfig, rows: int, cells: int) -> Any:
    """Cells searched for each query; None for an exact search, as of a small reference and where the probes reach all cells.

    `AUTO` where they are chosen by recall, for which the audit has to sample rows.
    """
    probes = UNASKED if nearest.probes == AUTO and not nearest.audit_rows else nearest.probes
    exact = probes is None or rows < nearest.exact_below or (1 if probes == AUTO else probes) >= cells
    return None if exact else probes


def join_units(
    plan: JoinPlan,
    units: Sequence[Unit],
    nearest: NearestConfig,
    cluster: ClusterConfig,
    *,
    queries: int,
    work: Work | None = None,
    chooser: Chooser | None = None,
) -> Join:
    """Join every unit, of `queries` rows in all, inside a Ray session; `work` counts those that are done.

    A plan with probes `AUTO` needs a `chooser`; where that finds that every cell has to be searched, there is nothing to audit.
    Raises UserError if a group of cells does not fit, LacunaError if actors do not live.
    """
    most, gpus = slots(cluster)
    plan = dataclasses.replace(plan, device="cuda" if gpus else "cpu", threads=max(1, int(cluster.cpus_per_actor)))
    memory = nearest.memory_bytes or _memory(most, gpus=bool(gpus))
    actors = most if cluster.actors else useful_actors(plan, units, queries, most, memory)
    passes = assign(plan, actors, memory)
    names, join, todo = list[str](), Join(work=work or Work(stage="nearest")), list(units)
    with Bench(plan, max(map(len, passes)), nearest, cluster) as bench:
        if chooser is not None and plan.probes == AUTO:
            plan = chooser.choose(bench, passes, cluster)
            todo = [unit for unit in todo if plan.probes is not None or not unit.is_audit]
        join.probes = plan.probes
        for index, assignment in enumerate(passes):
            names.append(pass_name(plan, [group for groups in assignment for group in groups]))
            bench.hold(assignment)
            reported = f"{plan.dataset} in {plan.cells.reference}" + (f", pass {index + 1} of {len(passes)}" if len(passes) > 1 else "")
            with ShardProgress(what=reported, shards=len(todo)) as progress:
                failed = _rounds(bench, todo, names, join, progress, last=index == len(passes) - 1)
            todo = [unit for unit in todo if unit not in failed]
    return join


def useful_actors(plan: JoinPlan, units: Sequence[Unit], queries: int, most: int, memory_bytes: int) -> int:
    """Reference actors to start, of `most` that there is room for, where the units have `queries` rows.

    As many as hold the whole reference at once, and as have work for longer than an actor takes to start.
    """
    probes = UNASKED if plan.probes == AUTO else plan.probes
    probed = 1.0 if probes is None else min(1.0, probes / plan.cells.cells)
    audited = sum(len(places) for unit in units for _, places in unit.rows)
    flops = 2 * plan.cells.dim * sum(group.rows for group in plan.groups) * (queries * probed + audited)
    holding = -(-sum(group_bytes(plan, group) for group in plan.groups) // memory_bytes)  # at least: a group is not shared out
    actors = max(1, min(most, max(holding, int(flops / PAYS))))
    while actors < most and len(assign(plan, actors, memory_bytes)) > 1:
        actors += 1
    return actors


def assign(plan: JoinPlan, actors: int, memory_bytes: int) -> list[Assignment]:
    """Passes: in each, every actor's groups fit its memory, and the actors hold about as much as one another.

    Raises UserError, naming the value, where a single group is larger than that.
    """
    passes: list[Assignment] = []
    loads: list[int] = []
    for group in sorted(plan.groups, key=lambda group: VECTORS.index(group.modality)):
        size = group_bytes(plan, group)
        if size > memory_bytes:
            raise UserError(
                f"nearest.memory_bytes={memory_bytes} holds no group of cells ({size} bytes): raise it, or lower nearest.group_bytes"
            )
        if not passes or min(loads) + size > memory_bytes:
            passes.append([[] for _ in range(actors)])
            loads = [0] * actors
        least = loads.index(min(loads))
        passes[-1][least].append(group)
        loads[least] += size
    return [[groups for groups in assignment if groups] for assignment in passes]


def group_bytes(plan: JoinPlan, group: Group) -> int:
    """Memory of a held group."""
    itemsize = 2 if plan.cells.dtype == "float16" else 4
    return group.rows * (plan.cells.dim * itemsize + IDENTITY_BYTES) + group.repeats * IDENTITY_BYTES


def _memory(actors: int, *, gpus: bool) -> int:
    """What a reference actor may hold with default settings: half of its share of the cluster's memory; on a GPU, 48 GB at most."""
    import ray

    resources: dict[str, Any] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray has no types for it
    share = int(resources.get("memory", 4e9) / actors * MEMORY_SHARE)
    return min(share, 48_000_000_000) if gpus else share


class Bench:
    """The reference actors. A context manager: they end with it."""

    def __init__(self, plan: JoinPlan, actors: int, nearest: NearestConfig, cluster: ClusterConfig) -> None:
        import ray

        self.plan, self.nearest = plan, nearest
        self.assignment: Assignment = []
        self._holders: list[Any] = [None] * actors
        gpus = slots(cluster)[1]
        self._actor = ray.remote(num_cpus=cluster.cpus_per_actor, num_gpus=gpus, max_restarts=0, max_task_retries=0)(ReferenceActor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for place in range(len(self._holders)):
            self._end(place)

    @property
    def holders(self) -> list[Any]:
        """Those that hold something in this pass."""
        return self._holders[: len(self.assignment)]

    @property
    def modalities(self) -> list[str]:
        return sorted({group.modality for groups in self.assignment for group in groups})

    def hold(self, assignment: Assignment) -> None:
        """Bring every actor to hold its groups, starting what is missing. Raises LacunaError where one cannot."""
        import ray
        from ray import exceptions

        self.assignment, reason = assignment, ""
        for _ in range(self.nearest.max_attempts):
            for place in range(len(assignment)):
                self._holders[place] = self._holders[place] or self._actor.remote(self.plan)
            loads = [holder.load.remote(groups) for holder, groups in zip(self.holders, assignment, strict=True)]
            self._require_room(loads)
            for place, loaded in enumerate(loads):
                try:
                    ray.get(loaded)
                except exceptions.RayTaskError as error:
                    raise error.cause if isinstance(error.cause, LacunaError) else error from None
                except exceptions.RayError as error:
                    self._end(place)
                    reason = type(error).__name__
            if all(self.holders):
                return
        raise LacunaError(f"no reference actor stays alive while it loads its cells, the last of several: {reason}")

    def ask(self, assignment: Assignment, call: Callable[[Any], Any], most: int | None = None) -> list[Any]:
        """What `call` returns of each holder of an assignment, of the first `most`; asked again where one is lost. Raises LacunaError."""
        import ray
        from ray import exceptions

        reason = ""
        for _ in range(self.nearest.max_attempts):
            self.hold(assignment)
            try:
                return list(ray.get([call(holder) for holder in self.holders[:most]]))
            except exceptions.RayTaskError as error:
                raise error.cause if isinstance(error.cause, LacunaError) else error from None
            except exceptions.RayError as error:
                reason = type(error).__name__
        raise LacunaError(f"reference actors were lost {self.nearest.max_attempts} times while they were asked, the last: {reason}")

    def take(self, plan: JoinPlan) -> None:
        """Every actor searches by another plan of the same cells from now on; one that is lost is started with it."""
        import ray

        self.plan = plan
        asked = [holder.probe.remote(plan.probes, plan.settings) for holder in self._holders if holder is not None]
        ray.wait(asked, num_returns=len(asked), timeout=self.nearest.start_seconds)  # before any query actor asks them

    def _require_room(self, loads: list[Any]) -> None:
        import ray

        _, late = ray.wait(loads, num_returns=len(loads), timeout=self.nearest.start_seconds)
        if late:
            raise LacunaError(
                f"{len(late)} of {len(loads)} reference actors hold no cells after {self.nearest.start_seconds} s: the cluster has no"
                " room for them; the same command goes on with what there is then"
            )

    def _end(self, place: int) -> None:
        import ray

        if self._holders[place] is not None:
            ray.kill(self._holders[place])
        self._holders[place] = None


def _rounds(bench: Bench, units: Sequence[Unit], names: Sequence[str], join: Join, progress: ShardProgress, *, last: bool) -> set[Unit]:
    """One pass; returns the units that failed."""
    todo, failed, barren = list(units), set[Unit](), 0
    while todo:
        lost: dict[Unit, str] = {}

        def on_result(unit: Unit, made: Any, lost: dict[Unit, str] = lost) -> None:
            if isinstance(made, Lost):
                lost[unit] = made.reason
            elif unit.is_audit:
                join.exact = made if last else None
                progress.add()
            else:
                join.rows[unit.name] = made
                if last:
                    join.work.did(unit.name, made)
                progress.add(pairs=made)

        def on_failure(unit: Unit, error: LacunaError) -> None:
            failed.add(unit)
            join.failures.append(error)
            join.work.failed(unit.name, error)
            progress.add(failed=True)
            progress.note(str(error))

        _dispatch(bench, todo, names, on_result, on_failure, last=last)
        barren = barren + 1 if len(lost) == len(todo) else 0
        if barren >= bench.nearest.max_attempts:
            raise LacunaError(f"reference actors were lost {barren} times without a shard joined, the last: {next(iter(lost.values()))}")
        if lost:
            progress.note(f"a reference actor was lost ({next(iter(lost.values()))}); {len(lost)} shards go round again")
            bench.hold(bench.assignment)
        todo = list(lost)
    return failed


def _dispatch(
    bench: Bench,
    units: Sequence[Unit],
    names: Sequence[str],
    on_result: Callable[[Unit, Any], None],
    on_failure: Callable[[Unit, LacunaError], None],
    *,
    last: bool,
) -> None:
    import ray

    actor = ray.remote(num_cpus=0, max_restarts=0, max_task_retries=0)(QueryActor)  # waits for reference actors, whose CPUs are counted
    dispatch(
        units,
        make_actor=lambda: actor.remote(bench.plan, bench.holders, bench.modalities, list(names), last=last),
        submit=lambda handle, unit, attempt: handle.join.remote(unit, attempt),
        on_result=on_result,
        on_failure=on_failure,
        actors=min(1 + len(bench.holders) // 2, len(units)),
        in_flight=1,
        max_attempts=bench.nearest.max_attempts,
    )
