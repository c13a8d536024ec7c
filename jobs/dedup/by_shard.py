"""The decision on a large data set as tasks, each on a run of shards: no array holds all rows, and a killed run takes over what is done.

First every run is flagged: exact repeats of the reference, and captions that are not known (`jobs.dedup.exact_matches`), in a file that
every threshold uses. Then every run is decided on from its stored cosines, and its kept rows are a part of the view.

B rows of a shard.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.dedup.carried import carried_shard
from jobs.dedup.decisions import REASONS, decide_block
from jobs.dedup.exact_matches import BLANK, Flags, chosen_bits, flags_of
from jobs.runtime.progress import ShardProgress
from jobs.runtime.tasks import ordered, result, start
from tda.config.cluster import ClusterConfig
from tda.errors import LacunaError
from tda.geometry.duplicates import Rule
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.hashes import COLUMNS, KINDS, VERSION, HashFiles, ensure_hashes
from tda.store.datasets.kept_parts import KeptPart, publish_part, standing_part
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.views import META_KEY, Kept, View, content_hash
from tda.store.files import filesystem, join, publish
from tda.store.paths import RootPaths

UNMEASURED = REASONS.index("unmeasured")

Span = tuple[int, int]  # its first shard, and the one behind its last


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """What every task knows. `digests`: of the rows, the deciding rows, the closest rows and the reference (None: no exact repeats)."""

    root: str
    view: View
    encoder: str
    by: str  # the encoder that decides
    reference: str
    rule: Rule
    kinds: tuple[str, ...]
    content: str
    digests: tuple[str, str, str, str | None]
    span_rows: int  # of a run of shards, at most

    @property
    def flags_content(self) -> str:
        return content_hash([self.digests[1], self.digests[3], VERSION])

    def flags_url(self, first: int) -> str:
        folder = RootPaths(self.root).dedupe_dir(self.view.base, self.by, self.reference)
        return join(folder, f"exact-{first:06d}-{self.flags_content[:12]}.parquet")

    @property
    def folder(self) -> str:
        return RootPaths(self.root).dedupe_dir(self.view.base, self.encoder, self.view.reference)


def spans(rows_per_shard: Sequence[int], most: int) -> list[Span]:
    """Runs of shards of at most so many rows, or of one larger shard."""
    found, first, rows = list[Span](), 0, 0
    for index, count in enumerate(rows_per_shard):
        if index > first and rows + count > most:
            found.append((first, index))
            first, rows = index, 0
        rows += count
    return [*found, (first, len(rows_per_shard))]


def decide_all(
    plan: ShardPlan, rows: EmbeddingSet, deciding: EmbeddingSet, cluster: ClusterConfig
) -> tuple[list[KeptPart], dict[str, Any]]:
    """The parts of the view, and the counts for summary.json. Inside a Ray session. Raises the first error of a task."""
    if plan.digests[3] is not None:
        result(start(_hashes_of, plan, cluster=cluster))
    flagged, cut = (spans(one.rows_per_shard, plan.span_rows) for one in (deciding, rows))
    known = any(list(_counted("rows looked up", flag_span, [(plan, span) for span in flagged], cluster)))  # all of them are flagged
    parts = list(_counted("rows decided", decide_span, [(plan, span, known) for span in cut], cluster))
    alone = plan.by == plan.encoder
    others = () if alone else _counted("rows of the deciding encoder", match_span, [(plan, span, known) for span in flagged], cluster)
    matched, dropped = Counter[str](), Counter[str]()
    for one in [part.counted["matched"] for part in parts] if alone else others:
        matched.update(one)
    for part in parts:
        dropped.update(part.counted["dropped"])
    order = [name for name in REASONS[1:] if dropped[name]]
    kinds = [*KINDS, "image", "text"]
    return parts, {"dropped": {name: dropped[name] for name in order}, "matched": {name: matched[name] for name in kinds}}


def _counted(what: str, task: Any, calls: list[Any], cluster: ClusterConfig) -> Iterator[Any]:
    with ShardProgress(what=what, shards=len(calls), unit="runs of shards") as progress:
        for found in ordered(task, calls, cluster):
            progress.add()
            yield found


def _hashes_of(plan: ShardPlan) -> HashFiles:
    return ensure_hashes(RootPaths(plan.root), EmbeddingSet(plan.root, plan.reference, plan.by))


class Decider:
    """The inputs of a decision, listed once a process; raises LacunaError where they are not those of the plan any more."""

    def __init__(self, plan: ShardPlan) -> None:
        self.plan = plan
        self.rows = EmbeddingSet(plan.root, plan.view.base, plan.encoder)
        self.deciding = self.rows if plan.by == plan.encoder else EmbeddingSet(plan.root, plan.view.base, plan.by)
        self.nearest = NearestSet(plan.root, plan.view.base, plan.by, plan.reference)
        if (self.rows.digest, self.deciding.digest, self.nearest.digest) != plan.digests[:3]:
            raise LacunaError(f"the rows of {plan.view.base} by {plan.encoder} were replaced meanwhile: run again")
        self.place = {shard: index for index, shard in enumerate(self.deciding.shards)}
        self._spans = spans(self.deciding.rows_per_shard, plan.span_rows)
        self._begin = [0, *accumulate(self.deciding.rows_per_shard)]
        self._flags: tuple[int, Flags] | None = None

    def reasons(self, index: int, *, known: bool) -> tuple[Flags, dict[str, int]]:
        """(B,) the reasons of a deciding shard, and what each test finds. `known`: some caption of the set is."""
        flags_B = self._flags_of(index)
        table = self.nearest.shard_table(self.deciding.shards[index], ["image_cosine", "text_cosine"])
        image_B, text_B = (table[name].to_numpy() for name in ("image_cosine", "text_cosine"))
        if known and "text" in self.plan.rule.needs:
            text_B = np.where(flags_B >> BLANK & 1, -np.inf, text_B)
        return decide_block(image_B, text_B, flags_B & chosen_bits(self.plan.kinds), self.plan.rule)

    def _flags_of(self, index: int) -> Flags:
        first = next(first for first, stop in self._spans if first <= index < stop)
        if self._flags is None or self._flags[0] != first:
            found = _stored_flags(self.plan, first)
            if found is None:
                raise LacunaError(f"{self.plan.flags_url(first)} is not there any more: run again")
            self._flags = first, found
        begin = self._begin[index] - self._begin[first]
        return self._flags[1][begin : begin + self.deciding.rows_per_shard[index]]


_deciders: list[Decider] = []  # of this process: the last


def _decider(plan: ShardPlan) -> Decider:
    if not _deciders or _deciders[0].plan != plan:
        _deciders[:] = [Decider(plan)]
    return _deciders[0]


def flag_span(plan: ShardPlan, span: Span) -> bool:
    """Flag a run of deciding shards, unless it is; returns whether any caption in it is known."""
    flags_N = _stored_flags(plan, span[0])
    decider = _decider(plan)
    if flags_N is None or len(flags_N) != sum(decider.deciding.rows_per_shard[slice(*span)]):
        flags_N = np.concatenate([np.zeros(0, np.uint8), *_found(plan, decider.deciding, span)])
        meta = {META_KEY: json.dumps({"content": plan.flags_content})}
        table = pa.table({"flags": flags_N}).replace_schema_metadata(meta)
        publish(plan.flags_url(span[0]), partial(pq.write_table, table, compression="zstd"))
    return bool((flags_N >> BLANK & 1 == 0).any())


def _found(plan: ShardPlan, deciding: EmbeddingSet, span: Span) -> Iterator[Flags]:
    with ExitStack() as stack:
        sorted_M: dict[str, Any] = {}
        if plan.digests[3] is not None:
            files = _hashes_of(plan)
            sorted_M = {kind: stack.enter_context(files.opened(kind)) for kind in KINDS}
        for index in range(*span):
            count = deciding.rows_per_shard[index]
            if count:
                yield flags_of(deciding.picked(index, range(count), COLUMNS), sorted_M)


def _stored_flags(plan: ShardPlan, first: int) -> Flags | None:
    fs, path = filesystem(plan.flags_url(first))
    try:
        with fs.open(path, "rb") as file:
            table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid):
        return None
    same = json.loads((table.schema.metadata or {}).get(META_KEY, b"{}")).get("content") == plan.flags_content
    return table["flags"].to_numpy() if same else None


def decide_span(plan: ShardPlan, span: Span, known: bool) -> KeptPart:
    """Decide on a run of shards, unless an earlier run has, and publish its kept rows."""
    standing = standing_part(plan.folder, plan.content, span)
    if standing is not None:
        return standing
    dropped, matched = Counter[str](), Counter[str]()

    def kept() -> Iterator[Kept]:
        decider = _decider(plan)
        for index in range(*span):
            ordinal_B, reason_B, found = _reasons_of(decider, index, known=known)
            counts = np.bincount(reason_B, minlength=len(REASONS)).tolist()
            dropped.update(dict(zip(REASONS[1:], counts[1:], strict=True)))
            matched.update(found)
            stays_B = reason_B == 0
            yield Kept(decider.rows.shards[index], ordinal_B[stays_B], decider.rows.rows_in_file(index)[stays_B])
        counted.update(dropped=dict(dropped), matched=dict(matched))

    counted: dict[str, Any] = {}
    return publish_part(plan.folder, plan.content, span, kept(), counted)


def _reasons_of(decider: Decider, index: int, *, known: bool) -> tuple[npt.NDArray[np.int64], Flags, dict[str, int]]:
    """Ordinals and reasons (B,) of a shard of the data set, by the deciding encoder's rows of it."""
    ordinal_B, own = decider.rows.ordinals(index), decider.place.get(decider.rows.shards[index])
    if decider.deciding is decider.rows:
        return ordinal_B, *decider.reasons(index, known=known)
    if own is None:
        return ordinal_B, np.full(len(ordinal_B), UNMEASURED, np.uint8), {}
    reason_K, _ = decider.reasons(own, known=known)
    return ordinal_B, carried_shard(ordinal_B, decider.deciding.ordinals(own), reason_K, UNMEASURED), {}


def match_span(plan: ShardPlan, span: Span, known: bool) -> dict[str, int]:
    """What each test finds in a run of deciding shards."""
    matched, decider = Counter[str](), _decider(plan)
    for index in range(*span):
        matched.update(decider.reasons(index, known=known)[1])
    return dict(matched)
