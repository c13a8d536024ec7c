"""Retrieval of drawn queries among all pairs as Ray tasks: each ranks a group of queries among a run of candidates.

N pairs of the set, C candidates among them (all, or evenly spaced), Q queries drawn from the candidates, B queries of a group.

Counts of single runs add up to the ranks, so each run is a block that a killed analysis need not measure again. No process holds more
than a group of queries and `analysis.block_rows` candidates, whatever N is; where a node has a GPU the products are taken on it.
"""

import sys
from dataclasses import dataclass, replace

import numpy as np

from jobs.analysis.blocks import Blocks
from jobs.analysis.layout_clusters_homology import Subject
from jobs.analysis.part import Found, Progress
from jobs.analysis.positives import positives
from jobs.runtime.devices import placed
from jobs.runtime.tasks import ordered
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.geometry.arrays.namespace import row_blocks
from tda.geometry.arrays.rows import to_host
from tda.geometry.query_ranks import Queries, query_counts, sampled_metrics
from tda.geometry.shared_positives import Best
from tda.progress import report_progress
from tda.store.commit.parquet import from_binary, to_binary
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import Array, evenly_spaced, read_pairs, seeded

GROUP = 32_768  # queries that a process holds: 400 MB at D = 512
LEAST_RUN, RUN = 2048, 65_536  # candidates of a run, while the runs are at most `MOST_RUNS`: longer then
LEAST_RUNS, MOST_RUNS = 64, 1024

_held = dict[str, Queries]()  # of this process: the group that it ranked last


@dataclass(frozen=True)
class Asked:
    """Which pairs are queries and among which candidates; the same for a set, its settings and its seed on any cluster."""

    pairs: int
    candidates: int
    row_Q: Array  # positions in the set, ascending
    best_2Q: Array | None = None  # cosines of the best positives, each way, where partners are shared
    more_2Q: Array | None = None  # as good positives beside the best

    @classmethod
    def of(cls, pairs: int, analysis: AnalysisConfig) -> "Asked":
        config = analysis.retrieval
        candidates = pairs if config.max_pairs is None else min(pairs, config.max_pairs)
        drawn_Q = seeded(candidates, config.sampled(pairs) or candidates, analysis.seed)
        return cls(pairs, candidates, evenly_spaced(pairs, candidates, drawn_Q))

    def sharing(self, both: tuple[Best, Best] | None) -> "Asked":
        """With the best positives of all candidates, where any query has one beside its partner."""
        if both is None or not any(one.shared for one in both):
            return self
        at_Q = np.searchsorted(self.rows(slice(0, self.candidates)), self.row_Q)
        best_2Q, more_2Q = np.stack([one.cosine_N[at_Q] for one in both]), np.stack([one.more_N[at_Q] for one in both])
        return replace(self, best_2Q=best_2Q, more_2Q=more_2Q)

    def best(self, group: slice) -> tuple[Array, Array] | None:
        return None if self.best_2Q is None else (self.best_2Q[0, group], self.best_2Q[1, group])

    @property
    def prefix(self) -> str:
        """Of the names of blocks: counts against other cosines are others."""
        return "ranks" if self.best_2Q is None else "shared"

    def rows(self, run: slice) -> Array:
        """Positions in the set of a run of candidates."""
        return evenly_spaced(self.pairs, self.candidates, run)

    def groups(self) -> list[slice]:
        return list(row_blocks(len(self.row_Q), GROUP))

    def runs(self) -> list[slice]:
        """Runs of candidates, by their number alone: enough for many actors, few enough to keep a file of each."""
        wanted = min(MOST_RUNS, max(LEAST_RUNS, -(-self.candidates // RUN)))
        return list(row_blocks(self.candidates, max(LEAST_RUN, -(-self.candidates // wanted))))


def sampled_retrieval(subject: Subject, part_hash: str, cluster: ClusterConfig, progress: Progress) -> Found:
    """The part retrieval of drawn queries, with the table of the rows that were asked. `part_hash` names the blocks that are kept."""
    asked = Asked.of(len(subject.embeddings), subject.analysis)
    asked = asked.sharing(positives(subject.embeddings, asked.candidates, subject.analysis, cluster))
    ranks_2Q = _ranks(subject, asked, ("retrieval", part_hash), cluster, progress)
    table = {"row": asked.row_Q, "image_to_text": ranks_2Q[0], "text_to_image": ranks_2Q[1]}
    return {"retrieval": sampled_metrics(ranks_2Q[0], ranks_2Q[1], asked.candidates)}, {"ranks": table}


def ranks_of(  # noqa: PLR0917 (what is asked, and the part that asks)
    subject: Subject, row_Q: Array, part: str, part_hash: str, cluster: ClusterConfig, progress: Progress
) -> Array:
    """Ranks (2, Q) of the pairs at `row_Q`, ascending positions among the candidates, for a part that keeps blocks under its hash."""
    asked = replace(Asked.of(len(subject.embeddings), subject.analysis), row_Q=row_Q)
    asked = asked.sharing(positives(subject.embeddings, asked.candidates, subject.analysis, cluster))
    return _ranks(subject, asked, (part, part_hash), cluster, progress)


def _ranks(subject: Subject, asked: Asked, part: tuple[str, str], cluster: ClusterConfig, progress: Progress) -> Array:
    """Ranks (2, Q) of each query's image among texts and of its text among images. Runs that are kept are read, not measured."""
    import ray

    blocks = Blocks.of(subject.folder, *part)
    files = {name: file for name, file in sorted(blocks.kept().items()) if name.startswith(f"{asked.prefix}-")}
    kept = {name: found for name, file in files.items() if (found := _counts_in(blocks, name, file)) is not None}
    groups, runs = asked.groups(), asked.runs()
    whole, done, total_2Q = len(groups) * len(runs), len(kept), np.zeros((2, len(asked.row_Q)), dtype=np.int64)
    if kept:
        print(f"lacuna: {part[0]}: {done} of {whole} blocks were measured before and are kept", file=sys.stderr, flush=True)
    sent = [ray.put(value) for value in (subject.embeddings, asked, blocks, subject.analysis)]
    for number, group in enumerate(groups):
        names = [f"{asked.prefix}-{number}-{run}" for run in range(len(runs))]
        missing = [run for run, name in enumerate(names) if name not in kept]
        for name in set(names) & set(kept):
            total_2Q[:, group] += kept.pop(name)
        if missing:
            _keep_rows(subject, asked, group, blocks, cluster)
        calls = ((*sent, names[run], group, runs[run]) for run in missing)
        for counts_2B in ordered(_counts_of, calls, cluster, whole=len(missing), device=subject.analysis.device):
            total_2Q[:, group] += counts_2B
            done += 1
            progress(part[0], done, whole)
    return total_2Q if asked.more_2Q is None else total_2Q - asked.more_2Q


def _counts_in(blocks: Blocks, name: str, file: str) -> Array | None:
    table = blocks.read(name, file)
    return None if table is None else np.stack([table[way].to_numpy() for way in ("image_to_text", "text_to_image")])


def _counts_of(  # noqa: PLR0917 (tasks are called by position)
    embeddings: EmbeddingSet, asked: Asked, blocks: Blocks, analysis: AnalysisConfig, name: str, group: slice, run: slice
) -> Array:
    """Counts (2, B) of a group of queries among a run of candidates, kept as a block before they are returned."""
    queries = _queries(embeddings, asked, blocks, analysis, group)
    total_2B = np.zeros((2, len(queries)), dtype=np.int64)
    for rows in row_blocks(run.stop, analysis.block_rows, run.start):
        position_C = asked.rows(rows)
        image_CD, text_CD = (placed(x_CD, analysis.device) for x_CD in read_pairs(embeddings, position_C, analysis.block_rows))
        found = query_counts(queries, image_CD, text_CD, first=int(position_C[0]), tile=analysis.retrieval.tile)
        total_2B += np.stack([to_host(counts_B) for counts_B in found])
        report_progress(rows.stop - run.start, run.stop - run.start, "candidates")
    blocks.keep(name, {"image_to_text": total_2B[0], "text_to_image": total_2B[1]})
    return total_2B


def _queries(embeddings: EmbeddingSet, asked: Asked, blocks: Blocks, analysis: AnalysisConfig, group: slice) -> Queries:
    """The rows of a group: those that this process holds, else those of their file, else of the set."""
    key = f"{blocks.hash}/{group.start}"
    if key not in _held:
        _held.clear()
        table = blocks.read(_rows_name(group))
        if table is None:
            image_BD, text_BD = read_pairs(embeddings, asked.row_Q[group], analysis.block_rows)
        else:
            image_BD, text_BD = (from_binary(table[n].combine_chunks(), embeddings.dim, embeddings.dtype) for n in ("image", "text"))
        _held[key] = Queries.of(placed(image_BD, analysis.device), placed(text_BD, analysis.device), asked.best(group))
    return _held[key]


def _keep_rows(subject: Subject, asked: Asked, group: slice, blocks: Blocks, cluster: ClusterConfig) -> None:
    """Read the rows of a group once, by many tasks, into a file that every worker reads: drawn rows lie in as many shards as there are."""
    import ray

    if blocks.read(_rows_name(group)) is not None:
        return
    sent = ray.put(subject.embeddings)
    parts = row_blocks(group.stop, max(1, GROUP // 64), group.start)
    found = ordered(read_pairs, ((sent, asked.row_Q[part], subject.analysis.block_rows) for part in parts), cluster)
    image, text = zip(*found, strict=True)
    blocks.keep(_rows_name(group), {"image": to_binary(np.concatenate(image)), "text": to_binary(np.concatenate(text))})


def _rows_name(group: slice) -> str:
    return f"rows-{group.start}"
