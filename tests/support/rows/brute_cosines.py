"""Rows about a few centres, and their nearest by brute force: what every search for neighbours by cosine is held to.

N queries, M reference rows, D dimensions, K matches.
"""

from typing import Any

import numpy as np
import torch

from tda.geometry.neighbors.table import Queries, Table, pair_cosines


def clustered(n: int, dim: int, centres: int, noise: float, seed: int) -> Any:
    """Unit rows (n, dim) about a few centres, some of them exact repeats of earlier ones."""
    rng = np.random.default_rng(seed)
    centre_CD = np.random.default_rng(7).standard_normal((centres, dim))
    x_ND = centre_CD[rng.integers(0, centres, n)] + noise * rng.standard_normal((n, dim))
    x_ND[n // 2 : n // 2 + n // 8] = x_ND[: n // 8]
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)


def table_of(reference_MD: Any, bounds: Any = None) -> Table:
    """All rows in one cell, or in the cells that `bounds` give."""
    bounds = [0, len(reference_MD)] if bounds is None else bounds
    return Table(torch.from_numpy(reference_MD), torch.arange(len(reference_MD)), np.array(bounds))


def brute(queries_ND: Any, reference_MD: Any, k: int) -> tuple[Any, Any]:
    """Every cosine by the same elementwise arithmetic, then a stable sort: cosines and positions (N, K)."""
    n, m = len(queries_ND), len(reference_MD)
    pairs = torch.arange(n).repeat_interleave(m), torch.arange(m).repeat(n)
    cosine_NM = pair_cosines(Queries(torch.from_numpy(queries_ND)), pairs[0], table_of(reference_MD), pairs[1]).reshape(n, m).numpy()
    index_NK = np.argsort(-cosine_NM, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(cosine_NM, index_NK, axis=1), index_NK
