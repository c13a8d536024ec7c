"""FNV-1a of many strings at once, as a numba kernel. Apart from `hashes`, so that a driver which hashes nothing does not load numba."""

from typing import Any

import numpy as np

from tda.compiled import compiled

_OFFSET, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


@compiled(nogil=True)
def hash_strings(text: Any, edge: Any, salt_N: Any, out_N: Any) -> None:
    """FNV-1a over 64 bits, then mixed so that the first byte is as random as the last."""
    for i in range(len(out_N)):
        value = (_OFFSET ^ salt_N[i]) * _PRIME
        for at in range(edge[i], edge[i + 1]):
            value = (value ^ np.uint64(text[at])) * _PRIME
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        out_N[i] = value ^ (value >> np.uint64(31))
