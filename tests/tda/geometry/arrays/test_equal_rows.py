"""The first equal row of each row is that of a dictionary of bytes, whatever the hash. N rows, D dimensions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tda.geometry.arrays.equal_rows import first_equal, row_hashes


@given(st.integers(0, 50), st.sampled_from([np.uint8, np.float16, np.float32]), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_first_equal_is_that_of_a_dictionary(n: int, dtype: Any, dim: int) -> None:
    x_ND = np.random.default_rng(n).integers(0, 2, (n, dim)).astype(dtype)
    seen: dict[bytes, int] = {}
    np.testing.assert_array_equal(first_equal(x_ND), [seen.setdefault(row.tobytes(), i) for i, row in enumerate(x_ND)])


@pytest.mark.parametrize("hashes", [1, 3])
def test_rows_of_one_hash_are_distinguished_by_their_bytes(hashes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tda.geometry.arrays.equal_rows._hash", lambda x_BD: (x_BD[:, 0] % hashes).astype(np.uint64))
    x_ND = np.random.default_rng(0).integers(0, 4, (300, 3)).astype(np.float32)
    seen: dict[bytes, int] = {}
    np.testing.assert_array_equal(first_equal(x_ND), [seen.setdefault(row.tobytes(), i) for i, row in enumerate(x_ND)])


def test_hashes_are_equal_where_rows_are() -> None:
    x_ND = np.random.default_rng(0).integers(0, 2, (400, 6)).astype(np.float16)
    hash_N2 = row_hashes(x_ND)
    assert (hash_N2.shape, hash_N2.dtype) == ((400, 2), np.uint64)
    first_N = first_equal(x_ND)
    equal_NN, alike_NN = (one_N[:, None] == one_N[None, :] for one_N in (first_N, hash_N2[:, 0]))
    np.testing.assert_array_equal(alike_NN, equal_NN)
    np.testing.assert_array_equal((hash_N2[:, None] == hash_N2[None, :]).all(axis=2), equal_NN)
    assert row_hashes(x_ND[:0]).shape == (0, 2)
