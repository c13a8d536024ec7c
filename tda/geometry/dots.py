"""Dot products in float64 whose bits depend on their two rows alone: elementwise products, added up by halves, on any device.

L pairs, D dimensions, B pairs of a block. On a CPU a numba kernel does it, 15 times as fast as torch's elementwise operations.
"""

from typing import Any

import numpy as np
import torch

from tda.compiled import compiled
from tda.geometry.namespace import row_blocks
from tda.geometry.threads import threaded

BLOCK, WIDE = 16_384, 65_536  # pairs at once, of a core and of a GPU

Rows = tuple[torch.Tensor, torch.Tensor]  # a table, and which of its rows are meant (B,)


def pair_dots(x_ND: torch.Tensor, x_L: torch.Tensor, y_MD: torch.Tensor, y_L: torch.Tensor, threads: int = 1) -> torch.Tensor:
    """Dot products (L,) float64 of the rows `x_L` of `x_ND` with the rows `y_L` of `y_MD`, floating point of any width."""

    def block(part: slice) -> torch.Tensor:
        pairs = (x_ND, x_L[part]), (y_MD, y_L[part])
        return _on_gpu(*pairs) if x_L.is_cuda else _on_cpu(*pairs)

    parts = list(row_blocks(len(x_L), WIDE if x_L.is_cuda else BLOCK))
    dots = threaded(block, parts, threads) if min(len(parts), threads) > 1 else map(block, parts)
    return torch.cat([torch.empty(0, dtype=torch.float64, device=x_L.device), *dots])


def _on_gpu(left: Rows, right: Rows) -> torch.Tensor:
    return tree_sum(left[0][left[1]].to(torch.float64) * right[0][right[1]].to(torch.float64))


def _on_cpu(left: Rows, right: Rows) -> torch.Tensor:
    dot_B = np.empty(len(left[1]))
    _tree_dots(*_readable(*left), *_readable(*right), dot_B)
    return torch.from_numpy(dot_B)


def _readable(x_ND: torch.Tensor, x_B: torch.Tensor) -> tuple[Any, Any]:
    """Rows that numba can read, and which of them are meant: it has no half precision on a CPU, so those are widened."""
    if x_ND.dtype in (torch.float32, torch.float64):
        return x_ND.numpy(), x_B.numpy()
    return x_ND[x_B].to(torch.float32).numpy(), np.arange(len(x_B))


def tree_sum(x_BD: torch.Tensor) -> torch.Tensor:
    """Sum over D by halving: elementwise additions, so that the order is D's alone, on any device."""
    while x_BD.shape[1] > 1:
        half = x_BD.shape[1] // 2
        rest = x_BD[:, 2 * half :]
        x_BD = torch.cat([x_BD[:, :half] + x_BD[:, half : 2 * half], rest], dim=1) if rest.shape[1] else x_BD[:, :half] + x_BD[:, half:]
    return x_BD[:, 0]


@compiled(nogil=True)
def _tree_dots(x_ND: Any, x_B: Any, y_MD: Any, y_B: Any, dot_B: Any) -> None:
    """`tree_sum` of the products of rows, with the same bits: nothing here lets the compiler change the order or join operations."""
    term_D = np.empty(x_ND.shape[1])
    for pair in range(len(x_B)):
        x_D, y_D = x_ND[x_B[pair]], y_MD[y_B[pair]]
        for d in range(len(term_D)):
            term_D[d] = np.float64(x_D[d]) * np.float64(y_D[d])
        left = len(term_D)
        while left > 1:
            half = left // 2
            low_H, high_H = term_D[:half], term_D[half : 2 * half]
            for h in range(half):
                low_H[h] += high_H[h]
            if left % 2:
                term_D[half] = term_D[left - 1]
            left = half + left % 2
        dot_B[pair] = term_D[0]
