"""How all rows of a data set lie on the sphere, counted on the six faces of a cube around it: what a sample is drawn on top of.

S x S cells a face, of equal angles (an equiangular cube map); `density.js` reads the same cells.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tda.errors import LacunaError
from tda.report.explorer.models import Model
from tda.store.datasets.placed import FOLDER, read_placed, standing
from tda.store.files import join
from tda.store.paths import RootPaths

S = 40
AXES = ("x", "y", "z")


def cells_of(unit_N3: NDArray[Any]) -> NDArray[np.int64]:
    """(N,) cell of each unit vector: face (x, y, z, each first its positive side), then row and column on it."""
    axis_N = np.abs(unit_N3).argmax(axis=1)
    rows = np.arange(len(unit_N3))
    main_N = unit_N3[rows, axis_N]
    u_N, v_N = (np.arctan(unit_N3[rows, (axis_N + step) % 3] / np.abs(main_N)) * 4 / np.pi for step in (1, 2))
    column_N, row_N = (((part + 1) / 2 * S).astype(np.int64).clip(0, S - 1) for part in (u_N, v_N))
    return np.asarray(((2 * axis_N + (main_N < 0)) * S + row_N) * S + column_N)


def density_of(root: str, model: Model, turn_33: NDArray[Any]) -> dict[str, Any] | None:
    """Counts (2, 6 S S) of every placed row, images first, turned as the shown points are; None where only a sample has places."""
    rows = model.metrics.get("rows") or {}
    if model.embeddings is None or rows.get("scope") != "all" or not rows.get("fit"):
        return None
    folder = join(RootPaths(root).analysis_dir(model.dataset, model.encoder), FOLDER)
    counts_2C = np.zeros((2, 6 * S * S), np.int64)
    try:
        for record in standing(folder, model.embeddings, str(rows["fit"])).values():
            columns = read_placed(folder, record, [f"{name}_{axis}" for name in ("image", "text") for axis in AXES])
            for side, name in enumerate(("image", "text")):
                place_N3 = np.stack([columns[f"{name}_{axis}"] for axis in AXES], axis=1)
                cell_N = cells_of(place_N3 / np.linalg.norm(place_N3, axis=1, keepdims=True) @ turn_33)
                counts_2C[side] += np.bincount(cell_N, minlength=6 * S * S)
    except (LacunaError, KeyError):  # a layout in the plane, or rows of another fit
        return None
    return {"side": S, "counts": counts_2C, "pairs": int(counts_2C[0].sum())} if counts_2C.any() else None
