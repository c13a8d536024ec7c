"""Single rows of a data set by identity, and their encoded images.

K wanted rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tda.errors import ShardError, UserError
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.shards.members import Members
from tda.store.shards.units.read import read_unit
from tda.store.shards.units.unit import is_unit
from tda.store.shards.webdataset import RawPair, read_pairs


class RowId(NamedTuple):
    """A row's identity. Keys can repeat, identities cannot."""

    shard: str
    ordinal: int


def rows_of(embeddings: EmbeddingSet, wanted: Sequence[RowId], columns: Sequence[str]) -> list[dict[str, Any] | None]:
    """Values of `columns` for each wanted row, vectors as arrays; None for a missing row. Each shard is opened once."""
    found: dict[RowId, dict[str, Any]] = {}
    for index, ordinals in _by_shard(embeddings, wanted).items():
        shard, table = embeddings.shards[index], embeddings.ordinals(index)
        at_K = np.minimum(np.searchsorted(table, ordinals), max(len(table) - 1, 0))
        there = [(ordinal, int(at)) for ordinal, at in zip(ordinals, at_K, strict=True) if len(table) and table[at] == ordinal]
        rows = _values(embeddings.picked(index, [at for _, at in there], columns))
        found |= {RowId(shard, ordinal): row for (ordinal, _), row in zip(there, rows, strict=True)}
    return [found.get(row) for row in wanted]


def _by_shard(embeddings: EmbeddingSet, wanted: Iterable[RowId]) -> dict[int, list[int]]:
    """Ordinals, ascending, by the index of their shard; shards that are not recorded are left out."""
    place = {shard: index for index, shard in enumerate(embeddings.shards)}
    groups: dict[int, set[int]] = {}
    for shard, ordinal in wanted:
        if shard in place:
            groups.setdefault(place[shard], set()).add(ordinal)
    return {index: sorted(ordinals) for index, ordinals in sorted(groups.items())}


def _values(table: pa.Table) -> list[dict[str, Any]]:
    columns = {
        name: list(np.stack(column.to_numpy())) if pa.types.is_fixed_size_list(column.type) and len(column) else column.to_pylist()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@dataclass(frozen=True, slots=True)
class Gone:
    """Why images of a shard cannot be shown."""

    path: str
    reason: str


def encoded_images(
    wanted: Mapping[str, Iterable[int]], members: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, int, bytes] | Gone]:
    """(path, ordinal, image bytes) for shards by path and ordinals in them: one pass a shard, which ends at its last wanted pair.

    `members`: by path what the record of a shard has of its members' names, where a setting gave them.
    A shard that is missing, is no archive, or has changed gives `Gone`.
    """
    for path, ordinals in sorted(wanted.items()):
        if not (is_unit(path) or path.partition("?")[0].endswith(".tar")):
            yield Gone(path, "it holds no images")
            continue
        try:
            yield from _images(path, set(ordinals), (members or {}).get(path))
        except ShardError as error:
            yield Gone(path, f"{error.reason}{f' ({error.detail})' if error.detail else ''}")
        except UserError as error:  # its store has no client here
            yield Gone(path, str(error))


def _images(path: str, left: set[int], members: Any) -> Iterator[tuple[str, int, bytes] | Gone]:
    named = Members.of(members)
    tar = partial(read_pairs, path, group=named.group() if named else None)
    for pair in read_unit(path, only=frozenset(left)) if is_unit(path) else tar():
        if isinstance(pair, RawPair) and pair.ordinal in left:
            left.remove(pair.ordinal)
            yield path, pair.ordinal, pair.image
            if not left:
                return
    yield Gone(path, f"it has no pair {min(left)} any more")
