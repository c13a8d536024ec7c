"""Each filter against its definition, written anew, on rows with planted and with drawn values."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from repeated_rows import N, drawn, side, write_set

from jobs.dedup.filters import REASONS, filtered, letters, threshold_of
from tda.config.filters import FilterConfig
from tda.store.datasets.embedding_set import EmbeddingSet

CAPTIONS = ["a cat", "a black cat on a mat", "12345 67890", "猫が座っている", "", "unknown", "a cat", "  A Cat ", "...", "ab"]


@pytest.fixture
def rows(tmp_path: Path) -> EmbeddingSet:
    """Ten captions in turn, some of them not known; sizes of which every fifth is not known."""
    columns: dict[str, Any] = side(N, "s")
    columns["captions"] = [CAPTIONS[row % len(CAPTIONS)] for row in range(N)]
    columns["widths"] = [None if row % 5 == 4 else 100 + 10 * row for row in range(N)]
    columns["heights"] = [0 if row == 1 else 120 for row in range(N)]
    write_set(tmp_path, "s", (drawn(N, 60), drawn(N, 61)), columns, sizes=(11, 11, 18))
    return EmbeddingSet(str(tmp_path), "s", "e")


UNSIZED = {row for row in range(N) if row % 5 == 4} | {1}
UNCAPTIONED = {row for row in range(N) if row % 10 in (4, 5)}


def _by(*numbers: int) -> set[int]:
    return {row for row in range(N) if row % 10 in numbers}


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"min_side": 120}, {"size_unknown": UNSIZED, "too_small": {0}}),
        ({"max_aspect": 2}, {"size_unknown": UNSIZED, "too_long_a_shape": set(range(15, N)) - UNSIZED}),
        ({"min_side": 120, "unknown": "keep"}, {"too_small": {0}}),
        ({"min_words": 2}, {"caption_unknown": UNCAPTIONED, "few_words": _by(3, 8, 9)}),
        ({"min_characters": 5}, {"caption_unknown": UNCAPTIONED, "few_characters": _by(8, 9)}),
        ({"max_characters": 11, "unknown": "keep"}, {"many_characters": _by(1)}),
        ({"min_letters": 0.5}, {"caption_unknown": UNCAPTIONED, "few_letters": _by(2, 8)}),
        ({"max_caption_rows": 4}, {"repeated_caption": _by(0, 6)}),
        ({"max_caption_rows": 8}, {}),
        (
            {"min_words": 2, "max_caption_rows": 3},  # a row is counted under the first that drops it
            {"caption_unknown": UNCAPTIONED, "few_words": _by(3, 8, 9), "repeated_caption": _by(0, 1, 2, 6, 7)},
        ),
    ],
)
def test_what_each_drops(rows: EmbeddingSet, settings: dict[str, Any], wanted: dict[str, set[int]]) -> None:
    reason_N, matched = filtered(rows, FilterConfig(**settings))
    found = {name: set(np.flatnonzero(reason_N == place).tolist()) for place, name in enumerate(REASONS)}
    assert {name: at for name, at in found.items() if at and name != "kept"} == wanted
    assert all(matched[name] >= len(at) for name, at in wanted.items())


def test_the_share_of_highest_cosines(rows: EmbeddingSet) -> None:
    image_ND, text_ND = rows.image().astype(np.float64), rows.text().astype(np.float64)
    order = np.argsort(-(image_ND * text_ND).sum(1))
    reason_N, matched = filtered(rows, FilterConfig(pair_cosine="top:0.3"))
    assert set(np.flatnonzero(reason_N == 0)) == set(order[:12])
    assert matched == {"pair_cosine": N - 12}
    cosine = float((image_ND * text_ND).sum(1)[order[5]])
    reason_N, _ = filtered(rows, FilterConfig(pair_cosine=str(cosine - 1e-6)))
    assert set(np.flatnonzero(reason_N == 0)) == set(order[:6])
    assert (filtered(rows, FilterConfig(pair_cosine="top:1"))[0] == 0).all()


def test_a_share_is_of_all_rows_whatever_else_drops_them(rows: EmbeddingSet) -> None:
    alone, both = (filtered(rows, FilterConfig(pair_cosine="top:0.5", **more))[0] for more in ({}, {"min_side": 200}))
    assert set(np.flatnonzero(both == 0)) < set(np.flatnonzero(alone == 0))


@given(st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3]), min_size=1, max_size=30), st.floats(0.01, 1))
def test_equal_cosines_share_their_fate(cosines: list[float], share: float) -> None:
    cosine_N = np.array(cosines)
    kept_N = cosine_N >= threshold_of(cosine_N, f"top:{share}")
    assert kept_N.sum() >= max(1, int(share * len(cosines)))
    assert not set(cosine_N[kept_N]) & set(cosine_N[~kept_N])
    assert (cosine_N > threshold_of(cosine_N, f"top:{share}")).sum() < max(1, int(share * len(cosines)))


@pytest.mark.parametrize(
    ("text", "share"), [("cat", 1), ("a 1", 0.5), ("", 0), ("  \n", 0), ("नमस्ते", 1), ("猫!", 0.5), ("...", 0), ("é" + "e\u0301", 1)]
)
def test_letters_of_any_script(text: str, share: float) -> None:
    assert letters(text) == share
