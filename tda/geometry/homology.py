"""Persistent homology of landmarks: components (H0) and loops (H1) of the Vietoris-Rips filtration, by ripser (Bauer 2021).

N rows, D dimensions, L landmarks, P points of a diagram, T steps of a Betti curve.

Rows are L2-normalised. The distance of two rows is set by `metric`: `geodesic` is the angle in radians, `chord` is 2 sin(angle / 2). Both
order pairs alike, so that both give the same features at different values. The cost of H1 grows at least with the cube of L: 2,000
landmarks take a minute, 5,000 is the limit.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import namespace, rows_at, unit_rows
from tda.geometry.arrays.rows import distinct, to_host

METRICS = ("geodesic", "chord")
CHOICES = ("farthest", "random")
STEPS = 128
LANDMARK_LIMIT = 5000


@dataclass(frozen=True, kw_only=True)
class Diagram:
    """Birth and death (P, 2) of the features of one degree, the longest-lived first, without the component that never dies."""

    degree: int
    points_P2: Any
    betti_T: Any  # number of features alive at each step of `Persistence.scale_T`

    @property
    def lifetimes(self) -> Any:
        return self.points_P2[:, 1] - self.points_P2[:, 0]

    def metrics(self) -> dict[str, Any]:
        """Number of features, total and longest persistence in the unit of the metric, and the largest Betti number."""
        life_P = self.lifetimes
        return {
            "features": len(life_P),
            "total_persistence": float(life_P.sum()),
            "longest": float(life_P.max(initial=0.0)),
            "second_longest": float(life_P[1]) if len(life_P) > 1 else 0.0,
            "peak": int(self.betti_T.max(initial=0)),
        }


@dataclass(frozen=True, kw_only=True)
class Persistence:
    """Diagrams by degree, the landmarks they were computed from, and how well those cover the rows."""

    diagrams: list[Diagram]
    landmarks: Any  # (L,) positions of rows
    metric: str
    choice: str
    cover: float  # largest distance of a row to its nearest landmark: features shorter than twice this may be due to sampling
    scale_T: Any  # scales of the Betti curves, 0 to the last death, in the unit of the metric
    notes: list[str] = field(default_factory=list)

    def metrics(self) -> dict[str, Any]:
        """Summaries, ready for JSON: h0, h1, landmarks, metric, choice, cover, notes."""
        degrees = {f"h{diagram.degree}": diagram.metrics() for diagram in self.diagrams}
        known = {"landmarks": len(self.landmarks), "metric": self.metric, "choice": self.choice, "cover": self.cover}
        return {**degrees, **known, "notes": self.notes}


def persistence(
    x_ND: Any, landmarks: int = 500, *, choice: str = "farthest", metric: str = "geodesic", max_degree: int = 1, seed: int = 0
) -> Persistence:
    """Persistent homology (Bauer 2021) of at most `landmarks` distinct rows of (N, D), NumPy or CuPy.

    `choice` farthest starts at a row drawn by `seed` and repeatedly adds the row farthest from all chosen ones: it covers the space,
    outliers first. `choice` random draws rows uniformly: it represents dense regions. `max_degree`: 0 (components) or 1 (and loops).
    Raises UserError for rows that are zero or not finite, unknown options, or a number of landmarks outside 1 .. 5,000.
    """
    _check(landmarks, choice, metric, max_degree)
    if x_ND.ndim != 2 or 0 in x_ND.shape:
        raise UserError(f"rows have shape {tuple(x_ND.shape)}; they must be (N, D) with N and D at least 1")
    first_U, _ = distinct(x_ND)
    xp = namespace(x_ND)
    unit_UD = unit_rows(rows_at(x_ND, first_U))
    chosen_L, nearest_U = (_farthest if choice == "farthest" else _random)(unit_UD, landmarks, seed)
    chord_LL = _chords(to_host(rows_at(unit_UD, chosen_L)))
    diagrams, scale_T = _diagrams(_measured(chord_LL, metric), max_degree)
    notes = [f"{len(chosen_L)} distinct rows are too few for {landmarks} landmarks: all are used"] if len(chosen_L) < landmarks else []
    cover = float(_measured(np.asarray(float(xp.max(nearest_U))), metric))
    return Persistence(
        diagrams=diagrams, landmarks=first_U[chosen_L], metric=metric, choice=choice, cover=cover, scale_T=scale_T, notes=notes
    )


def persistence_stability(x_ND: Any, landmarks: int = 500, *, seeds: int = 5, **options: Any) -> dict[str, Any]:
    """Mean and standard deviation of every summary over `seeds` draws of landmarks, by degree: how far it depends on the draw.

    `options` go to `persistence`. Raises UserError for fewer than 2 seeds and as `persistence` does.
    """
    if seeds < 2:
        raise UserError(f"seeds={seeds} is too few; a spread needs at least 2")
    runs = [persistence(x_ND, landmarks, seed=seed, **options) for seed in range(seeds)]
    return {
        f"h{degree}": {
            name: {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1))}
            for name in runs[0].diagrams[degree].metrics()
            for values in [[run.diagrams[degree].metrics()[name] for run in runs]]
        }
        for degree in range(len(runs[0].diagrams))
    } | {"seeds": seeds, "landmarks": len(runs[0].landmarks)}


def _check(landmarks: int, choice: str, metric: str, max_degree: int) -> None:
    if choice not in CHOICES:
        raise UserError(f"choice={choice!r} is unknown; choose one of: {', '.join(CHOICES)}")
    if metric not in METRICS:
        raise UserError(f"metric={metric!r} is unknown; choose one of: {', '.join(METRICS)}")
    if max_degree not in (0, 1):
        raise UserError(f"max_degree={max_degree} is out of range; 0 (components) and 1 (loops) are computed")
    if not 1 <= landmarks <= LANDMARK_LIMIT:
        raise UserError(f"landmarks={landmarks} is out of range; ripser's memory allows 1 to {LANDMARK_LIMIT}")


def _farthest(unit_UD: Any, landmarks: int, seed: int) -> tuple[Any, Any]:
    """Positions (L,) of landmarks, each the row farthest from those before it, and the chord (U,) of each row to its nearest one."""
    xp, count = namespace(unit_UD), unit_UD.shape[0]
    chosen = [int(np.random.default_rng(seed).integers(count))]
    nearest_U = _chords_to(unit_UD, chosen[0])
    while len(chosen) < min(landmarks, count):
        chosen.append(int(xp.argmax(nearest_U)))
        nearest_U = xp.minimum(nearest_U, _chords_to(unit_UD, chosen[-1]))
    return np.asarray(chosen), nearest_U


def _random(unit_UD: Any, landmarks: int, seed: int) -> tuple[Any, Any]:
    xp, count = namespace(unit_UD), unit_UD.shape[0]
    chosen_L = np.random.default_rng(seed).choice(count, min(landmarks, count), replace=False)
    nearest_U = _chords_to(unit_UD, int(chosen_L[0]))
    for row in chosen_L[1:]:
        nearest_U = xp.minimum(nearest_U, _chords_to(unit_UD, int(row)))
    return chosen_L, nearest_U


def _chords_to(unit_UD: Any, row: int) -> Any:
    """Chord (U,) of all rows to one; exactly 0 to itself, so that no row is chosen twice while others remain."""
    xp = namespace(unit_UD)
    chord_U = xp.sqrt(xp.clip(2 - 2 * (unit_UD @ unit_UD[row, :]), min=1e-300))
    chord_U[row] = 0.0
    return chord_U


def _chords(unit_LD: Any) -> Any:
    from scipy.spatial.distance import pdist, squareform

    return squareform(pdist(unit_LD))


def _measured(chord: Any, metric: str) -> Any:
    return 2 * np.arcsin(np.clip(chord / 2, 0, 1)) if metric == "geodesic" else chord


def _diagrams(distance_LL: Any, max_degree: int) -> tuple[list[Diagram], Any]:
    from ripser import ripser

    found = ripser(distance_LL, maxdim=max_degree, distance_matrix=True)["dgms"] if len(distance_LL) > 1 else []
    found = list(found) or [np.empty((0, 2))] * (max_degree + 1)
    finite = [points[np.isfinite(points[:, 1])].astype(np.float64) for points in found]
    last = max((float(points[:, 1].max(initial=0.0)) for points in finite), default=0.0)
    scale_T = np.linspace(0.0, last, STEPS)
    return [_diagram(degree, points, scale_T) for degree, points in enumerate(finite)], scale_T


def _diagram(degree: int, points_P2: Any, scale_T: Any) -> Diagram:
    order_P = np.argsort(points_P2[:, 0] - points_P2[:, 1], kind="stable")
    alive_TP = (points_P2[None, :, 0] <= scale_T[:, None]) & (scale_T[:, None] < points_P2[None, :, 1])
    return Diagram(degree=degree, points_P2=points_P2[order_P], betti_T=alive_TP.sum(axis=1) + (degree == 0))
