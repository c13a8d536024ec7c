"""A user's list of pairs as a selection of a data set: what `dataset.keep=@file` makes.

A line is a shard and an ordinal with a tab between them, as the explorer saves it, or a key, which stands for every pair that has it.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence

from tda.errors import UserError
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.row_lookup import RowId
from tda.store.datasets.selections import DIGITS, Selection, publish_selection
from tda.store.files import read_bytes
from tda.store.types import printable


def lines_of(spec: str) -> list[str]:
    """The lines of `@file` (a path or URL), without empty ones. Raises UserError, naming dataset.keep."""
    if not isinstance(spec, str) or not spec.startswith("@") or len(spec) == 1:
        raise UserError(
            f"dataset.keep={spec!r} is no @file: give a file of one pair a line, a key or SHARD<tab>ORDINAL, as dataset.keep=@FILE"
        )
    try:
        text = read_bytes(spec[1:]).decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise UserError(f"dataset.keep={spec}: there is no file {spec[1:]}") from None
    except UnicodeDecodeError:
        raise UserError(f"dataset.keep={spec}: the file is not UTF-8 text") from None
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
    if not lines:
        raise UserError(f"dataset.keep={spec}: the file has no line")
    return lines


def choose(root: str, dataset: str, encoder: str, lines: Sequence[str]) -> tuple[Selection, int]:
    """Publish the selection of these lines and return it, with its number of pairs under this encoder.

    Raises UserError where a line names no pair of the data set by this encoder; it names the first such line.
    """
    rows = EmbeddingSet(root, dataset, encoder)
    ids, keys = _parsed(lines, set(rows.shards))
    found = dict.fromkeys([*ids, *_with_keys(rows, keys)])
    there = _there(rows, ids)
    unknown = [one for one in ids if one not in there]
    if unknown:
        first = f"{unknown[0].shard}, pair {unknown[0].ordinal}"
        raise UserError(f"dataset.keep: {len(unknown)} of {len(lines)} lines name no pair of {dataset} by {encoder}, the first: {first}")
    ordinals: dict[str, list[int]] = {}
    for one in sorted(found):
        ordinals.setdefault(one.shard, []).append(one.ordinal)
    digits = hashlib.sha256(json.dumps(ordinals, sort_keys=True).encode()).hexdigest()[:DIGITS]
    selection = Selection(dataset, digits)
    publish_selection(root, selection, ordinals)
    return selection, len(found)


def _parsed(lines: Sequence[str], shards: set[str]) -> tuple[list[RowId], list[str]]:
    """Identities, and lines that are keys: of no known shard, or without an ordinal."""
    ids, keys = [], []
    for line in lines:
        shard, tab, ordinal = line.rpartition("\t")
        if tab and shard in shards and ordinal.isascii() and ordinal.isdigit():
            ids.append(RowId(shard, int(ordinal)))
        else:
            keys.append(line)
    return ids, keys


def _with_keys(rows: EmbeddingSet, keys: Sequence[str]) -> list[RowId]:
    """Every pair that has one of the keys. Raises UserError for a key that none has."""
    if not keys:
        return []
    wanted, seen, found = set(keys), set[str](), list[RowId]()
    for shard, table in zip(rows.shards, rows.tables(["ordinal", "key"]), strict=True):
        for ordinal, key in zip(table["ordinal"].to_pylist(), table["key"].to_pylist(), strict=True):
            if key in wanted:
                seen.add(key)
                found.append(RowId(shard, ordinal))
    lost = [key for key in keys if key not in seen]
    if lost:
        raise UserError(f"dataset.keep: {len(lost)} of {len(keys)} keys are of no pair, the first: {printable(lost[0], 120)}")
    return found


def _there(rows: EmbeddingSet, wanted: Iterable[RowId]) -> set[RowId]:
    shards = {one.shard for one in wanted}
    return {RowId(shard, int(ordinal)) for index, shard in enumerate(rows.shards) if shard in shards for ordinal in rows.ordinals(index)}
