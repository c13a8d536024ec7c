"""From the reason of every row to the rows that a view keeps, also under another encoder than the one that decided.

N rows, M rows of a shard, K of them by the deciding encoder. A reason is a byte, 0 for a row that is kept.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tda.errors import UserError
from tda.store.commit.versions import sha256_if_there
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.views import Kept, View, read_summary
from tda.store.documents import named_files, seal_holds
from tda.store.paths import RootPaths

Codes = npt.NDArray[np.uint8]


def standing_summary(paths: RootPaths, view: View, encoder: str, content: str) -> dict[str, Any] | None:
    """The published summary of a view, if its content is this one and its rows are there."""
    try:
        summary = read_summary(paths, view, encoder)
    except UserError:
        return None
    if summary.get("content") != content or seal_holds(summary) is False:
        return None
    url = paths.dedupe_summary(view.base, encoder, view.reference)
    files: dict[str, Any] = dict(named_files(url, summary)) or {paths.kept(view.base, encoder, view.reference): {}}
    found = {name: sha256_if_there(name) for name in files}
    return summary if all(own is not None and own == files[name].get("sha256", own) for name, own in found.items()) else None


def carried(rows: EmbeddingSet, deciding: EmbeddingSet, reason_N: Codes, unmeasured: int) -> Codes:
    """Another encoder's reasons for these rows, by shard and ordinal; a row without an embedding there is dropped as `unmeasured`."""
    theirs, nothing = dict(zip(deciding.shards, _by_shard(deciding, reason_N), strict=True)), (np.empty(0, np.int64), np.empty(0, np.uint8))
    tables = zip(rows.shards, rows.tables(["ordinal"]), strict=True)
    return np.concatenate([carried_shard(one["ordinal"].to_numpy(), *theirs.get(shard, nothing), unmeasured) for shard, one in tables])


def carried_shard(ordinal_M: npt.NDArray[np.int64], ordinal_K: npt.NDArray[np.int64], reason_K: Codes, unmeasured: int) -> Codes:
    """(M,) `carried` for the rows of one shard, from the ordinals and reasons (K,) of the deciding encoder's."""
    at_M = np.searchsorted(ordinal_K, ordinal_M)
    known_M = np.append(ordinal_K, -1)[at_M] == ordinal_M
    found_M: Codes = np.where(known_M, np.append(reason_K, 0)[at_M], unmeasured).astype(np.uint8)
    return found_M


def kept_of(rows: EmbeddingSet, reason_N: Codes) -> Iterator[Kept]:
    """The rows without a reason to drop them, shard by shard."""
    for index, (ordinal_M, reason_M) in enumerate(_by_shard(rows, reason_N)):
        stays_M = reason_M == 0
        yield Kept(rows.shards[index], ordinal_M[stays_M], rows.rows_in_file(index)[stays_M])


def _by_shard(rows: EmbeddingSet, reason_N: Codes) -> Iterator[tuple[npt.NDArray[np.int64], Codes]]:
    start = 0
    for table in rows.tables(["ordinal"]):
        yield table["ordinal"].to_numpy(), reason_N[start : start + len(table)]
        start += len(table)
