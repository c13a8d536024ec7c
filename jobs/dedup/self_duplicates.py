"""Repeats within one data set: groups of near rows, transitively, of which one stays: the first, or as `dedupe.keep` chooses.

Near rows come from `jobs.nearest` of the set against itself (nearest.k > 1) where that was run. A list of k holds every near row only if
its last is below the threshold. Rows whose list may be incomplete are compared with all rows exactly, and without lists every row is.
So groups may be of any size; k only decides how many rows are compared with all.

N rows of the set, M that still stay, E edges, A rows that are compared with all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.dedup.decisions import REASONS
from jobs.dedup.exact_matches import Flags
from jobs.dedup.group_choice import kept_of_each
from tda.config.jobs import DedupeJob
from tda.errors import LacunaError, UserError
from tda.geometry.arrays.namespace import row_blocks
from tda.geometry.duplicates import Groups, Pair, Rule, near_edges, unit_pair
from tda.progress import report_progress
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.hashes import COLUMNS, row_hashes
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.sampling import read_pairs

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ASKED = 8192  # rows that are compared with one reading of the set
BLOCK = 4096  # rows of the set at once: 128 MB of cosines with the asked
SHARD_BITS = 40  # of a row's identity, below its shard's number: ordinals stay far under this


@dataclass(frozen=True)
class Candidates:
    """The rows of a set, which of them still stay, and whose text is known (a row whose text is not is near to no other by it)."""

    rows: EmbeddingSet
    stays_N: Bools
    known_N: Bools


def drop_within(job: DedupeJob, candidates: Candidates, by: str, reason_N: Flags, rule: Rule) -> dict[str, Any]:
    """Mark all but one of every group of rows that still stay; returns the counts for summary.json."""
    rows, stays_N = candidates.rows, candidates.stays_N
    groups = Groups(len(rows))
    _join_exact(groups, rows, stays_N, job.dedupe.exact)
    listed = _listed(job, by)
    asked_A = np.flatnonzero(stays_N) if listed is None else _join_listed(groups, listed, candidates, rule)
    if listed is None and len(asked_A) > job.dedupe.exact_rows:
        name = job.dataset.name
        raise UserError(
            f"dedupe.self=true would compare {len(asked_A):,} rows with each other (dedupe.exact_rows={job.dedupe.exact_rows}): first run "
            f"python -m jobs.nearest dataset.name={name} reference.name={name} encoder.name={by} nearest.k=8 root={job.root}"
        )
    _join_compared(groups, candidates, asked_A, rule)
    first_N = groups.first()
    repeats_N = stays_N & (kept_of_each(rows, first_N, stays_N, job.dedupe.keep)[first_N] != np.arange(len(rows)))
    reason_N[repeats_N] = REASONS.index("within")
    members = np.bincount(first_N[stays_N])
    return {
        "groups": int((members > 1).sum()),
        "largest_group": int(members.max(initial=0)),
        "compared_with_all": len(asked_A),
        "lists": None if listed is None else {"k": listed.k, "probes": listed.probes},
    }


def _join_exact(groups: Groups, rows: EmbeddingSet, stays_N: Bools, kinds: list[str]) -> None:
    """Join rows of the same URL, or of the same caption and image size."""
    hashes: dict[str, list[Any]] = {kind: [] for kind in kinds}
    for table in rows.tables(COLUMNS):
        found = row_hashes(table)
        for kind in kinds:
            hashes[kind].append(found[kind])
    for parts in hashes.values():
        hash_N, known_N = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
        at_M = np.flatnonzero(known_N & stays_N)
        _, first_U, back_M = np.unique(hash_N[at_M], return_index=True, return_inverse=True)
        groups.join(at_M[first_U[back_M]], at_M)


def _listed(job: DedupeJob, by: str) -> NearestSet | None:
    """The lists of each row's closest rows in the set itself; None where `jobs.nearest` has not made them."""
    try:
        nearest = NearestSet(job.root, job.dataset.name, by, job.dataset.name)
    except LacunaError:
        return None
    return nearest if nearest.k > 1 else None


@dataclass(frozen=True)
class _Edges:
    """Near rows of one modality: `pairs` as one number each (one row * N + another), and rows whose list may be incomplete."""

    pairs: Ints
    open_A: Ints


def _join_listed(groups: Groups, nearest: NearestSet, candidates: Candidates, rule: Rule) -> Ints:
    """Join the near rows of the lists; returns the rows (A,) whose lists may be incomplete."""
    rows, stays_N = candidates.rows, candidates.stays_N
    identity_N, number = _identities(rows), {shard: place for place, shard in enumerate(rows.shards)}
    start, open_rows = 0, [np.empty(0, dtype=np.int64)]
    for shard, count in zip(rows.shards, rows.rows_per_shard, strict=True):
        table = nearest.shard_table(shard, [f"{name}_topk" for name in rule.needs])
        lists = {name: _flat(table[f"{name}_topk"], start, number) for name in rule.needs}
        edges = [_edges(flat, getattr(rule, name), nearest.k, identity_N) for name, flat in lists.items()]
        if "text" in lists:
            edges[-1] = _of_known_texts(edges[-1], candidates.known_N)
        pairs = np.concatenate([edge.pairs for edge in edges])
        if rule.name == "both":
            pairs = np.intersect1d(edges[0].pairs, edges[1].pairs)
        left_E, right_E = np.divmod(pairs, len(rows))
        near_E = stays_N[left_E] & stays_N[right_E]
        groups.join(left_E[near_E], right_E[near_E])
        open_rows += [edge.open_A for edge in edges]
        start += count
        report_progress(start, len(rows), "lists")
    open_A = np.unique(np.concatenate(open_rows))
    return open_A[stays_N[open_A]]


@dataclass(frozen=True)
class _Lists:
    """The entries of the lists of a shard, one after another: the row they belong to, cosine, and the identity of the row they name."""

    length_B: Ints
    row: Ints
    cosine: npt.NDArray[Any]
    named: Ints
    start: int  # the shard's first row


def _flat(column: pa.ChunkedArray, start: int, number: Mapping[str, int]) -> _Lists:
    lists = column.combine_chunks()
    flat, length_B = lists.flatten(), lists.value_lengths().to_numpy()
    names = flat.field("shard").dictionary_encode()
    place = np.array([number.get(name, -1) for name in names.dictionary.to_pylist()], dtype=np.int64)[names.indices.to_numpy()]
    named = (place << SHARD_BITS) | flat.field("ordinal").to_numpy()
    return _Lists(length_B, np.repeat(np.arange(len(lists)), length_B), flat.field("cosine").to_numpy(), named, start)


def _edges(lists: _Lists, threshold: float, k: int, identity_N: Ints) -> _Edges:
    near = lists.cosine >= threshold
    near_B = np.bincount(lists.row[near], minlength=len(lists.length_B))
    wanted, row = lists.named[near], lists.row[near]
    at = np.minimum(np.searchsorted(identity_N, wanted), len(identity_N) - 1)
    there = identity_N[at] == wanted
    pairs = (row[there] + lists.start) * len(identity_N) + at[there]
    return _Edges(pairs, np.flatnonzero((near_B == lists.length_B) & (lists.length_B == k)) + lists.start)


def _of_known_texts(edges: _Edges, known_N: Bools) -> _Edges:
    """The edges between rows whose texts are known; no list of another row has to be followed."""
    left_E, right_E = np.divmod(edges.pairs, len(known_N))
    return _Edges(edges.pairs[known_N[left_E] & known_N[right_E]], edges.open_A[known_N[edges.open_A]])


def _identities(rows: EmbeddingSet) -> Ints:
    """(N,) shard and ordinal of every row in one number; it ascends, as the rows do."""
    parts = [(place << SHARD_BITS) | table["ordinal"].to_numpy() for place, table in enumerate(rows.tables(["ordinal"]))]
    return np.concatenate(parts)


def _join_compared(groups: Groups, candidates: Candidates, asked_A: Ints, rule: Rule) -> None:
    """Join each asked row with every row that the rule finds near it, by comparing them with all."""
    rows, stays_N, known_N = candidates.rows, candidates.stays_N, candidates.known_N
    every = len(asked_A) == int(stays_N.sum())
    for part in row_blocks(len(asked_A), ASKED):
        at_A = asked_A[part]
        one = _without_unknown(unit_pair(*read_pairs(rows, at_A, ASKED)), known_N[at_A])
        for start, other in _blocks(rows, at_A[0] if every else 0):
            left_E, right_E = near_edges(one, _without_unknown(other, known_N[start : start + len(other[0])]), rule)
            near_E = stays_N[right_E + start]
            groups.join(at_A[left_E[near_E]], right_E[near_E] + start)
            report_progress(part.start * len(rows) + (part.stop - part.start) * start, len(asked_A) * len(rows), "cosines")


def _without_unknown(pair: Pair, known_B: Bools) -> Pair:
    """The pair with NaN, which is near to nothing, in place of texts that are not known."""
    image_BD, text_BD = pair
    return (image_BD, text_BD if known_B.all() else np.where(known_B[:, None], text_BD, np.nan).astype(text_BD.dtype))


def _blocks(rows: EmbeddingSet, first: int) -> Iterator[tuple[int, Any]]:
    """Blocks of the set from the one that holds row `first` on: where all are asked, a pair is seen from its earlier row."""
    for block in rows.blocks(BLOCK):
        if block.start + len(block.image_ND) > first:
            yield block.start, unit_pair(block.image_ND, block.text_ND)
