"""How many cells are searched for each row with `nearest.probes=auto`: the fewest with which the recall suffices.

Queries are drawn by seed and answered exactly: rows of the data set whose closest row is a duplicate, filled up by planted duplicates where
these are few. The cell of a query's closest row has a rank among the cells by nearness; a search of as many cells as that finds it.

Legend: Q queries, D dimensions, P probed cells.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.join.recall_audit import Audit, drawn_rows, missed
from jobs.join.reference_actor import JoinPlan
from jobs.runtime.showing.display import tracked
from jobs.runtime.tasks import result, start
from tda.config.cluster import ClusterConfig
from tda.config.stages import NearestConfig
from tda.geometry.duplicate_recall import CONFIDENCE, interval
from tda.store.datasets.nearest import NearestRecord
from tda.store.datasets.shard import read_shard
from tda.store.documents import document_if_whole, sealed
from tda.store.files import join, publish_json
from tda.store.paths import RootPaths
from tda.store.types import VECTORS

if TYPE_CHECKING:
    from jobs.join.driver import Bench

AUTO = "auto"
NAME = "_probes.json"
UNASKED = 8  # cells where `audit_rows=0` leaves nothing to measure with
FEWEST, MOST = 200, 20_000  # queries of a modality
ENOUGH = 4  # times the queries with which a recall of 1 would just suffice: some may be missed

Answers = Mapping[str, tuple[Any, Any]]  # modality -> cosine (Q,) of the closest row, and number (Q,) of its cell


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The queries (Q, D) of each modality; the first `real` of them are rows of the data set, the others are planted."""

    vectors: Mapping[str, Any]
    real: int


def recorded_probes(records: Mapping[str, NearestRecord], audit: Audit) -> tuple[Any, int]:
    """The probes of the shards that are joined with the audit's settings, with which the join goes on; and the least that may be chosen.

    The first is `AUTO` where none is joined, where they differ, and where their recall does not suffice: then more are searched.
    """
    fields = [name for name in audit.settings if name != "probes"]
    found = {one.probes for one in records.values() if all(getattr(one, name) == audit.settings[name] for name in fields)}
    if len(found) != 1:
        return AUTO, 1
    (probes,) = found
    reported = replace(audit, settings={**audit.settings, "probes": probes}).done()
    return (AUTO, probes + 1) if reported and probes and missed(reported, audit.nearest.min_recall) else (probes, 1)


@dataclass(frozen=True, kw_only=True)
class Chooser:
    """Chooses the cells of a join whose plan has `AUTO`: at least `least` of them."""

    audit: Audit
    least: int = 1

    def choose(self, bench: "Bench", passes: Sequence[Any], cluster: ClusterConfig) -> JoinPlan:
        """The plan with its probes, which the actors of `bench` take over. The choice is kept. Raises LacunaError if no actor lives."""
        plan, nearest = bench.plan, self.audit.nearest
        with tracked(f"{plan.dataset} in {plan.cells.reference}: how many cells to search"):
            asked: Asked = result(start(draw, plan, self.audit, cluster=cluster))
            best, ranks = measure(bench, passes, asked)
        cosines = {name: cosine_Q for name, (cosine_Q, _) in best.items()}
        cells = min(sum(group.cells for group in plan.groups if group.modality == name) for name in VECTORS)
        choice = choose(ranks, cosines, asked, nearest, cells=cells, least=self.least)
        print(f"lacuna: {line(choice, cells)}", file=sys.stderr, flush=True)
        probes = choice["probes"]
        plan = replace(plan, probes=probes, settings={**plan.settings, "probes": probes})
        keep(plan, choice)
        bench.take(plan)
        return plan


def measure(bench: "Bench", passes: Sequence[Any], asked: Asked) -> tuple[dict[str, tuple[Any, Any]], dict[str, Any]]:
    """Cosine and cell of each query's closest row, and the ranks of these cells, by modality."""
    import ray

    sent = ray.put(asked.vectors)
    best = closest([answer for held in passes for answer in bench.ask(held, lambda holder: holder.closest.remote(sent))])
    cells = {name: cell_Q for name, (_, cell_Q) in best.items()}
    return best, bench.ask(passes[-1], lambda holder: holder.cell_ranks.remote(sent, cells), most=1)[0]


def queries_wanted(min_recall: float) -> int:
    """Queries of a modality, enough for the interval of a recall somewhat above `min_recall` to be above it."""
    if not 0 < min_recall < 1:
        return FEWEST
    just = math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log(min_recall))
    return min(MOST, max(FEWEST, ENOUGH * just))


def draw(plan: JoinPlan, audit: Audit) -> Asked:
    """The queries, drawn by another seed than the audit's. A task. Raises ShardError for a shard that cannot be used."""
    nearest = audit.nearest
    seed, wanted = nearest.seed + 1, queries_wanted(nearest.min_recall)
    cells = plan.cells
    real = replace(audit, nearest=replace(nearest, seed=seed)).unit
    chosen = drawn_rows(dict(cells.shards), wanted, seed)
    paths, vectors = RootPaths(cells.root), dict[str, Any]()
    for modality in VECTORS:
        near_PD = _read(paths, cells.reference, cells.encoder, chosen, modality)
        own_QD = real.read(plan, modality) if real.rows else near_PD[:0]
        vectors[modality] = np.concatenate([own_QD.astype(np.float32), planted(near_PD, nearest.threshold, seed)])
    return Asked(vectors=vectors, real=sum(len(rows) for _, rows in real.rows))


def _read(paths: RootPaths, dataset: str, encoder: str, chosen: Sequence[tuple[str, tuple[int, ...]]], modality: str) -> Any:
    return np.concatenate([read_shard(paths, dataset, encoder, name, (modality,)).vectors[modality][list(rows)] for name, rows in chosen])


def planted(x_QD: Any, cosine: float, seed: int) -> Any:
    """Unit rows (Q, D), float32, at `cosine` to rows (Q, D), each on the way from its row to another one of them.

    So they lie where rows of this kind lie. A row that has no other direction to go, as one of a single row, goes a drawn way.
    """
    rng = np.random.default_rng(seed)
    unit_QD = _unit(x_QD.astype(np.float64))
    away_QD = unit_QD[rng.permutation(len(unit_QD))] + 1e-3 * _unit(rng.standard_normal(unit_QD.shape))
    away_QD -= (away_QD * unit_QD).sum(axis=1, keepdims=True) * unit_QD
    return (cosine * unit_QD + math.sqrt(max(0.0, 1 - cosine**2)) * _unit(away_QD)).astype(np.float32)


def _unit(x_QD: Any) -> Any:
    return x_QD / np.maximum(np.linalg.norm(x_QD, axis=1, keepdims=True), 1e-30)


def closest(answers: Sequence[Answers]) -> dict[str, tuple[Any, Any]]:
    """The closest of the rows that several actors hold: cosine and cell of each query, by modality."""
    best: dict[str, tuple[Any, Any]] = {}
    for one in answers:
        for name, (cosine_Q, cell_Q) in one.items():
            if name not in best:
                best[name] = cosine_Q, cell_Q
                continue
            more_Q = cosine_Q > best[name][0]
            best[name] = np.where(more_Q, cosine_Q, best[name][0]), np.where(more_Q, cell_Q, best[name][1])
    return best


def choose(
    ranks: Mapping[str, Any], cosines: Mapping[str, Any], asked: Asked, nearest: NearestConfig, *, cells: int, least: int = 1
) -> dict[str, Any]:
    """The document of a choice: `probes`, at least `least` (None: all cells), and for each modality what it rests on.

    `ranks` and `cosines`: (Q,) of each modality, of the cell of the closest row and of that row.
    """
    wanted, found = queries_wanted(nearest.min_recall), dict[str, Any]()
    for name, rank_Q in ranks.items():
        real = np.flatnonzero(cosines[name][: asked.real] >= nearest.threshold)
        filled = np.arange(asked.real, asked.real + max(0, wanted - len(real)))
        found[name] = rank_Q[np.concatenate([real, filled[filled < len(rank_Q)]])], len(real)
    needed = [fewest(rank_B, nearest.min_recall) for rank_B, _ in found.values()]
    probes = None if None in needed else max([least, *(one for one in needed if one is not None)])
    probes = None if probes is not None and probes >= cells else probes
    return {"probes": probes, "min_recall": nearest.min_recall, "threshold": nearest.threshold, "seed": nearest.seed + 1} | {
        name: _share(rank_B, real, probes) for name, (rank_B, real) in found.items()
    }


def fewest(rank_B: Any, min_recall: float) -> int | None:
    """The fewest cells whose recall has the lower bound of its interval above `min_recall`; None where no number of cells has."""
    count = len(rank_B)
    low, high = 0, count + 1  # the bound does not suffice with `low` of them found, it does with `high`
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if interval(middle, count)[0] > min_recall else (middle, high)
    return None if high > count else int(np.sort(rank_B)[high - 1])


def _share(rank_B: Any, real: int, probes: int | None) -> dict[str, Any]:
    found = len(rank_B) if probes is None else int((rank_B <= probes).sum())
    low, high = interval(found, len(rank_B))
    recall = found / len(rank_B) if len(rank_B) else None
    return {"queries": len(rank_B), "planted": len(rank_B) - real, "found": found, "recall": recall, "low": low, "high": high}


def keep(plan: JoinPlan, choice: Mapping[str, Any]) -> None:
    """Publish a choice beside the join, where its audit finds it."""
    publish_json(_url(plan.cells.root, _names(plan)), sealed({"layout_hash": plan.cells.content, **choice}))


def kept(root: str, names: tuple[str, str, str], settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The choice on which a join with these settings rests, for its audit; None where its probes were given."""
    found = document_if_whole(_url(root, names))
    same = found and all(found.get(name) == settings.get(name) for name in ("layout_hash", "probes"))
    return {name: found[name] for name in ("min_recall", "threshold", "seed", *VECTORS)} if same else None


def _url(root: str, names: tuple[str, str, str]) -> str:
    return join(RootPaths(root).nearest_dir(*names), NAME)


def _names(plan: JoinPlan) -> tuple[str, str, str]:
    return plan.dataset, plan.cells.encoder, plan.cells.reference


def line(choice: Mapping[str, Any], cells: int) -> str:
    """A choice in one line."""
    if choice["probes"] is None:
        return f"every cell is searched: no fewer have a recall above {choice['min_recall']:g}"
    parts = [f"{name} {choice[name]['recall']:.4f} of {choice[name]['queries']} ({choice[name]['planted']} planted)" for name in VECTORS]
    return f"{choice['probes']} of {cells} cells are searched a row: recall of drawn queries {', '.join(parts)}"
