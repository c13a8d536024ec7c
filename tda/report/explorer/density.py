"""How all rows of a data set lie on the sphere, counted on a grid of equal areas: what a sample is drawn on top of.

H x W cells: rows of cos(colatitude) from 1 to -1, columns of longitude from -pi to pi.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tda.errors import LacunaError
from tda.report.explorer.models import Model
from tda.store.datasets.placed import FOLDER, read_placed, standing
from tda.store.files import join
from tda.store.paths import RootPaths

H, W = 64, 128
AXES = ("x", "y", "z")


def counted(unit_N3: NDArray[Any]) -> NDArray[np.int64]:
    """(H, W) counts of unit vectors."""
    row_N = ((1 - unit_N3[:, 2]) / 2 * H).astype(np.int64).clip(0, H - 1)
    column_N = ((np.arctan2(unit_N3[:, 1], unit_N3[:, 0]) / np.pi + 1) / 2 * W).astype(np.int64).clip(0, W - 1)
    return np.bincount(row_N * W + column_N, minlength=H * W).reshape(H, W)


def density_of(root: str, model: Model, turn_33: NDArray[Any]) -> dict[str, Any] | None:
    """Counts (2, H, W) of every placed row, images first, turned as the shown points are; None where only a sample has places."""
    rows = model.metrics.get("rows") or {}
    if model.embeddings is None or rows.get("scope") != "all" or not rows.get("fit"):
        return None
    folder = join(RootPaths(root).analysis_dir(model.dataset, model.encoder), FOLDER)
    counts_2HW = np.zeros((2, H, W), np.int64)
    try:
        for record in standing(folder, model.embeddings, str(rows["fit"])).values():
            columns = read_placed(folder, record, [f"{name}_{axis}" for name in ("image", "text") for axis in AXES])
            for side, name in enumerate(("image", "text")):
                place_N3 = np.stack([columns[f"{name}_{axis}"] for axis in AXES], axis=1)
                counts_2HW[side] += counted(place_N3 / np.linalg.norm(place_N3, axis=1, keepdims=True) @ turn_33)
    except (LacunaError, KeyError):  # a layout in the plane, or rows of another fit
        return None
    return {"rows": H, "columns": W, "counts": counts_2HW, "pairs": int(counts_2HW[0].sum())} if counts_2HW.any() else None
