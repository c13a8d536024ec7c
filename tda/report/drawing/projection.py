"""A layout drawn flat: the sphere by Mollweide's equal-area projection, so that densities compare; the plane as it is.

N rows, P points of a line. A map of the sphere is an ellipse 2 high and 4 wide about its centre.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.columns import Columns
from tda.report.drawing.style import MODALITIES, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = dict[str, npt.NDArray[Any]]  # modality -> (N, 2) positions of its rows in the picture

NEWTON_STEPS = 12
TURNS = 8  # modalities are drawn alternately in so many parts, so that neither covers the other
WIDTH, HEIGHT = 4.0, 2.0
MERIDIANS, PARALLELS = np.arange(-120, 121, 60), np.arange(-60, 61, 30)  # degrees


def mollweide(unit_N3: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Unit vectors (x to the viewer, y to the right, z up) on the ellipse, (N, 2). Snyder 1987, p. 249."""
    longitude_N, sine_N = np.arctan2(unit_N3[:, 1], unit_N3[:, 0]), np.clip(unit_N3[:, 2], -1, 1)
    angle_N = np.arcsin(sine_N) * 0.98
    for _ in range(NEWTON_STEPS):  # 2a + sin 2a = π sin(latitude); flat at the poles, where the slope is bounded
        slope_N = np.maximum(2 + 2 * np.cos(2 * angle_N), 1e-6)
        angle_N = np.clip(angle_N - (2 * angle_N + np.sin(2 * angle_N) - np.pi * sine_N) / slope_N, -np.pi / 2, np.pi / 2)
    return np.stack([2 * longitude_N / np.pi * np.cos(angle_N), np.sin(angle_N)], axis=1)


def frame(where: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The rotation (3, 3) in which a layout is shown; its own orientation is arbitrary.

    The second modality's mean is to the right of the first's, and the overall mean faces the viewer: the cut is at the back.
    """
    first_3, second_3 = (unit_N3.mean(axis=0) for unit_N3 in where.values())
    _, axes_33 = np.linalg.eigh(np.concatenate(list(where.values())).T @ np.concatenate(list(where.values())))
    right_3 = _direction(second_3 - first_3, axes_33[:, 2])
    middle_3 = (first_3 + second_3) / 2
    spare_3 = axes_33[:, 1] if abs(axes_33[:, 1] @ right_3) < 0.9 else axes_33[:, 2]
    to_us_3 = _direction(middle_3 - (middle_3 @ right_3) * right_3, spare_3 - (spare_3 @ right_3) * right_3)
    return np.stack([to_us_3, right_3, np.cross(to_us_3, right_3)])


def _direction(wanted_3: npt.NDArray[Any], else_3: npt.NDArray[Any]) -> npt.NDArray[Any]:
    chosen_3 = wanted_3 if np.linalg.norm(wanted_3) > 1e-3 else else_3
    return np.asarray(chosen_3 / np.linalg.norm(chosen_3))


def on_sphere(columns: Columns) -> bool:
    return "z" in columns


def on_paper(columns: Columns, most: int) -> Points:
    """Positions of at most `most` rows of each modality: of a sphere, rotated and projected; of a plane, centred in a square of side 2."""
    where = picked(columns, most)
    if on_sphere(columns):
        turn_33 = frame(where)
        return {name: mollweide(unit_N3 @ turn_33.T) for name, unit_N3 in where.items()}
    every_N2 = _positions(columns)
    low_2, high_2 = every_N2.min(axis=0), every_N2.max(axis=0)
    reach = max(float((high_2 - low_2).max()) / 2, 1e-12)
    return {name: (points_N2 - (low_2 + high_2) / 2) / reach for name, points_N2 in where.items()}


def picked(columns: Columns, most: int) -> Points:
    """Positions in the layout itself, (N, 3) or (N, 2), of at most `most` rows of each modality."""
    where_NC = _positions(columns)
    return {name: where_NC[_some(columns["modality"] == name, most)] for name in MODALITIES}


def _positions(columns: Columns) -> npt.NDArray[Any]:
    axes = "xyz" if on_sphere(columns) else "xy"
    return np.stack([columns[axis].astype(np.float64) for axis in axes], axis=1)


def evenly(rows: int, most: int) -> npt.NDArray[np.int64]:
    """At most `most` evenly spaced positions out of `rows`."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))


def _some(chosen_N: npt.NDArray[Any], most: int) -> npt.NDArray[Any]:
    rows = np.flatnonzero(chosen_N)
    return rows[evenly(len(rows), most)]


def draw_points(axes: "Axes", points: Points, size: float, at: tuple[float, float] = (0.0, 0.0)) -> None:
    """Scatter both modalities about `at`, alternately."""
    for turn in range(TURNS):
        for modality, points_N2 in points.items():
            style, part = MODALITIES[modality], points_N2[turn::TURNS] + np.asarray(at)
            axes.scatter(
                part[:, 0], part[:, 1], s=size, marker=style.marker, color=style.color, alpha=0.6, linewidths=0, rasterized=True, zorder=2
            )


def draw_outline(axes: "Axes", *, sphere: bool, at: tuple[float, float] = (0.0, 0.0), grid: bool = True) -> None:
    """About `at`, the ellipse of a sphere with meridians and parallels, or the square of a plane."""
    line: dict[str, Any] = {"color": MUTED, "zorder": 1}
    if not sphere:
        corner_52 = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) * 1.04
        axes.plot(*(corner_52 + np.asarray(at)).T, linewidth=0.6, **line)
        return
    turn = np.linspace(0, 2 * np.pi, 121)
    axes.plot(WIDTH / 2 * np.cos(turn) + at[0], HEIGHT / 2 * np.sin(turn) + at[1], linewidth=0.8, **line)
    for line_P2 in graticule() if grid else []:
        axes.plot(*(line_P2 + np.asarray(at)).T, linewidth=0.4, alpha=0.5, **line)


def graticule() -> list[npt.NDArray[Any]]:
    """Meridians and parallels of the map, each (P, 2)."""
    along_P, even_P = np.linspace(-1, 1, 61), np.ones(61)
    lines = [(longitude * even_P, 90 * along_P) for longitude in MERIDIANS]
    lines += [(179.999 * along_P, latitude * even_P) for latitude in PARALLELS]
    return [mollweide(_unit(np.radians(longitude_P), np.radians(latitude_P))) for longitude_P, latitude_P in lines]


def _unit(longitude_P: npt.NDArray[Any], latitude_P: npt.NDArray[Any]) -> npt.NDArray[Any]:
    flat_P = np.cos(latitude_P)
    return np.stack([flat_P * np.cos(longitude_P), flat_P * np.sin(longitude_P), np.sin(latitude_P)], axis=1)
