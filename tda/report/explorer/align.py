"""Layouts turned onto one another, so that the eye follows what moves.

P rows, C coordinates. A row that a layout lacks is NaN.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def onto(moved_PC: Array, fixed_PC: Array, *, centred: bool = False) -> Array:
    """`moved_PC` under the rotation or reflection that brings it closest to `fixed_PC`, by the rows that both have.

    Orthogonal Procrustes (Schoenemann 1966). `centred`: about the means of these rows, for layouts in the plane, which have no centre;
    on the sphere about its centre. With fewer shared rows than coordinates nothing is turned.
    """
    turn_CC, from_C, to_C = _turn(moved_PC, fixed_PC, centred=centred)
    turned: Array = (moved_PC - from_C) @ turn_CC + to_C
    return turned


def _turn(moved_PC: Array, fixed_PC: Array, *, centred: bool) -> tuple[Array, Array, Array]:
    from scipy.linalg import orthogonal_procrustes

    shared_P = np.isfinite(moved_PC).all(axis=1) & np.isfinite(fixed_PC).all(axis=1)
    if shared_P.sum() < moved_PC.shape[1]:
        return np.eye(moved_PC.shape[1]), *np.zeros((2, moved_PC.shape[1]))
    from_C, to_C = (part[shared_P].mean(axis=0) * centred for part in (moved_PC, fixed_PC))
    turn_CC, _ = orthogonal_procrustes(moved_PC[shared_P] - from_C, fixed_PC[shared_P] - to_C)
    return turn_CC, from_C, to_C


def turned_alike(layouts: Sequence[Array | None], fixed: Sequence[int | None], *, centred: bool = False) -> list[Array | None]:
    """Each layout (2, P, C) turned onto the one that `fixed` names by its place, where that is there; None names none.

    By the images alone: two models may differ in where texts lie among them, which would cancel the turn. A named layout is itself turned
    first, so that a chain of checkpoints follows its last one.
    """
    done: dict[int, Array | None] = {}

    def turn(place: int) -> Array | None:
        if place not in done:
            layout, target = layouts[place], fixed[place]
            other = turn(target) if target is not None and target != place else None
            if layout is None or other is None or other.shape != layout.shape:
                done[place] = layout
            else:
                turn_CC, from_C, to_C = _turn(layout[0], other[0], centred=centred)
                done[place] = (layout - from_C) @ turn_CC + to_C
        return done[place]

    return [turn(place) for place in range(len(layouts))]
