"""The filters of the field on one row at a time: size and shape of the picture, length and letters of the caption, cosine of the pair.

N rows, B rows of a shard. A reason is a byte: its place in `REASONS`, 0 for a row that is kept. The first that holds counts.
"""

import unicodedata
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.dedup.group_choice import pair_cosines, sizes_of
from tda.config.filters import CAPTION_FIELDS, SIZE_FIELDS, FilterConfig, top_share
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.hashes import COLUMNS, known_values, text_hashes

Codes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

REASONS = (
    "kept",
    "size_unknown",
    "too_small",
    "too_long_a_shape",
    "caption_unknown",
    "few_words",
    "few_characters",
    "many_characters",
    "few_letters",
    "repeated_caption",
    "pair_cosine",
    "unmeasured",
)


def filtered(rows: EmbeddingSet, settings: FilterConfig) -> tuple[Codes, dict[str, int]]:
    """(N,) the reason of every row, and how many rows each filter alone would drop, whichever came first."""
    found = {name: np.concatenate(parts) for name, parts in _by_columns(rows, settings).items()}
    if settings.max_caption_rows is not None:
        found["repeated_caption"] = _repeated(rows, settings.max_caption_rows)
    if settings.pair_cosine is not None:
        found["pair_cosine"] = _below(pair_cosines(rows), settings.pair_cosine)
    reason_N = np.zeros(len(rows), dtype=np.uint8)
    for name in reversed(REASONS):
        if name in found:
            reason_N[found[name]] = REASONS.index(name)
    return reason_N, {name: int(found[name].sum()) for name in REASONS if name in found}


def threshold_of(cosine_N: Floats, wanted: str) -> float:
    """The least cosine that is kept: the number itself, or of `top:x` that of row int(x N) by descending cosine (at least row 1)."""
    share = top_share(wanted)
    if share is None:
        return float(wanted)
    return float(np.sort(cosine_N)[::-1][max(1, int(share * len(cosine_N))) - 1])


def _below(cosine_N: Floats, wanted: str) -> Bools:
    """Rows of equal cosine share their fate."""
    below_N: Bools = cosine_N < threshold_of(cosine_N, wanted)
    return below_N


def _by_columns(rows: EmbeddingSet, settings: FilterConfig) -> dict[str, list[Bools]]:
    found: dict[str, list[Bools]] = {}
    wanted = [name for name in (*SIZE_FIELDS, *CAPTION_FIELDS) if getattr(settings, name) is not None]
    for table in rows.tables(COLUMNS) if wanted else ():
        for name, dropped_B in (_of_sizes(table, settings) | _of_captions(table, settings)).items():
            found.setdefault(name, []).append(dropped_B)
    return found


def _of_sizes(table: pa.Table, settings: FilterConfig) -> dict[str, Bools]:
    if all(getattr(settings, name) is None for name in SIZE_FIELDS):
        return {}
    width_B, height_B = sizes_of(table)
    known_B = np.isfinite(width_B)
    width_B, height_B = np.where(known_B, width_B, 1), np.where(known_B, height_B, 1)
    short_B, long_B = np.minimum(width_B, height_B), np.maximum(width_B, height_B)
    found = {"size_unknown": ~known_B & (settings.unknown == "drop")}
    if settings.min_side is not None:
        found["too_small"] = known_B & (short_B < settings.min_side)
    if settings.max_aspect is not None:
        found["too_long_a_shape"] = known_B & (long_B > settings.max_aspect * short_B)
    return found


def _of_captions(table: pa.Table, settings: FilterConfig) -> dict[str, Bools]:
    if all(getattr(settings, name) is None for name in CAPTION_FIELDS):
        return {}
    known_B = known_values(table["caption"])
    texts = [text.strip() if text else "" for text in table["caption"].to_pylist()]
    found = {"caption_unknown": ~known_B & (settings.unknown == "drop")}
    tests: dict[str, tuple[Any, Any]] = {
        "few_words": (settings.min_words, lambda text, least: len(text.split()) < least),
        "few_characters": (settings.min_characters, lambda text, least: len(text) < least),
        "many_characters": (settings.max_characters, lambda text, most: len(text) > most),
        "few_letters": (settings.min_letters, lambda text, least: letters(text) < least),
    }
    for name, (bound, fails) in tests.items():
        if bound is not None:
            found[name] = known_B & np.array([fails(text, bound) for text in texts], dtype=bool)
    return found


def letters(text: str) -> float:
    """Share of letters and their marks, of any script, among the characters that are no blanks; 0 of a text without any."""
    kinds = Counter(unicodedata.category(sign)[0] for sign in text if not sign.isspace())
    return (kinds["L"] + kinds["M"]) / max(1, kinds.total())


def _repeated(rows: EmbeddingSet, most: int) -> Bools:
    """Rows whose caption stands on more than `most` rows of the set; a caption that is not known repeats none."""
    hashes = [text_hashes(table["caption"]) for table in rows.tables(["caption"])]
    hash_N, known_N = (np.concatenate([one[place] for one in hashes]) for place in (0, 1))
    _, back_K, count_U = np.unique(hash_N[known_N], return_inverse=True, return_counts=True)
    repeated_N = np.zeros(len(hash_N), dtype=bool)
    repeated_N[known_N] = count_U[back_K] > most
    return repeated_N
