"""Rows that equal a labelled row take its label and probability; all others keep their own."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tda.geometry.arrays.equal_rows import value_hashes
from tda.geometry.parts.placement import Labelled, Placed

SMALL = st.sampled_from([0.0, -0.0, 1.0, 2.0])


@given(known_KD=arrays(np.float32, (9, 3), elements=SMALL), x_ND=arrays(np.float32, (14, 3), elements=SMALL), cut=st.integers(0, 9))
def test_labels_of_equal_rows_by_a_dictionary(known_KD: Any, x_ND: Any, cut: int) -> None:
    known_KD, numbers_K = known_KD[:cut], np.arange(cut)
    labelled = Labelled.of(value_hashes(known_KD), 10 + numbers_K, 0.5 + numbers_K / 100)
    first = {tuple((row + 0).tolist()): at for at, row in reversed(list(enumerate(known_KD)))}
    placed = Placed(layout_NC=x_ND, label_N=np.full(14, -1, np.int32), probability_N=np.zeros(14, np.float32))
    found = labelled.carried(placed, x_ND)
    at_N = [first.get(tuple((row + 0).tolist())) for row in x_ND]
    assert found.label_N.tolist() == [-1 if at is None else 10 + at for at in at_N]
    assert found.probability_N.tolist() == [0.0 if at is None else np.float32(0.5 + at / 100) for at in at_N]
    assert found.layout_NC is x_ND


def test_hashes_are_of_rows_whatever_stands_beside_them() -> None:
    x_ND = np.random.default_rng(0).standard_normal((200, 7)).astype(np.float16)
    np.testing.assert_array_equal(value_hashes(x_ND)[50:60], value_hashes(x_ND[50:60]))
    assert len(np.unique(value_hashes(x_ND))) == 200
    assert len(value_hashes(x_ND[:0])) == 0
