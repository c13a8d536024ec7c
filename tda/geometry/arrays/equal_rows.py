"""Rows that are equal to the last bit, found by a 64-bit hash and confirmed on the rows themselves.

N rows, O of them with the hash of a different row, D dimensions, W words of 8, 4, 2 or 1 bytes a row, U distinct rows.
"""

from typing import Any

import numpy as np

from tda.geometry.arrays.namespace import row_blocks

_BLOCK = 65_536


def first_equal(x_ND: Any) -> Any:
    """For each row of a NumPy array (N, D) the first row that equals it, (N,) int64: itself where there is none before it.

    Different rows with the same hash, which are rare, are compared by their bytes.
    """
    x_ND = np.ascontiguousarray(x_ND)
    hash_N = np.concatenate([_hash(x_ND[block]) for block in row_blocks(len(x_ND), _BLOCK)] or [np.zeros(0, np.uint64)])
    _, first_U, inverse_N = np.unique(hash_N, return_index=True, return_inverse=True)
    first_N = first_U[inverse_N.reshape(-1)]
    later = np.flatnonzero(first_N != np.arange(len(x_ND)))
    words_NW = _words(x_ND)
    parts = [later[part] for part in row_blocks(len(later), _BLOCK)]
    others = [rows[(words_NW[rows] != words_NW[first_N[rows]]).any(axis=1)] for rows in parts]
    other_O = np.concatenate([*others, np.zeros(0, np.int64)])
    first_N[other_O] = other_O[_first_by_bytes(x_ND[other_O])]
    return first_N.astype(np.int64)


def row_hashes(x_ND: Any) -> Any:
    """Two 64-bit hashes of each row of a NumPy array, (N, 2): equal rows have equal ones, and so have others once in 2^128 pairs."""
    x_ND = np.ascontiguousarray(x_ND)
    blocks = list(row_blocks(len(x_ND), _BLOCK))
    columns = [np.concatenate([_hash(x_ND[block], seed) for block in blocks] or [np.zeros(0, np.uint64)]) for seed in (0, 1)]
    return np.stack(columns, axis=1)


def value_hashes(x_ND: Any) -> Any:
    """Hashes (N,) uint64 of rows of a NumPy array (N, D): equal rows have one, 0.0 and -0.0 counted as equal.

    Of 2e9 rows looked up among 2e6 different ones, 0.0002 have the hash of another by chance.
    """
    parts = [_hash(np.ascontiguousarray(x_ND[block] + 0)) for block in row_blocks(len(x_ND), _BLOCK)]
    return np.concatenate([*parts, np.empty(0, np.uint64)])


def _first_by_bytes(x_OD: Any) -> Any:
    bytes_O = x_OD.view(np.dtype((np.void, x_OD.dtype.itemsize * x_OD.shape[1]))).reshape(-1)
    _, first_U, inverse_O = np.unique(bytes_O, return_index=True, return_inverse=True)
    return first_U[inverse_O.reshape(-1)]


def _words(x_BD: Any) -> Any:
    width = x_BD.dtype.itemsize * x_BD.shape[1]
    size = next(size for size in (8, 4, 2, 1) if width % size == 0)
    return x_BD.view(f"u{size}")


def _hash(x_BD: Any, seed: int = 0) -> Any:
    words_BW = _words(x_BD).astype(np.uint64, copy=False)
    odd_W = np.random.default_rng(seed).integers(0, 2**63, words_BW.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    folded_BW = words_BW ^ (words_BW >> np.uint64(29))  # lets high bits of a word affect low bits of the hash
    return (folded_BW * odd_W).sum(axis=1, dtype=np.uint64)
