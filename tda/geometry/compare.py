"""How different are two models' embeddings of the same pairs? Alignment, shared neighbours and topology, each with an interval.

N rows, D and E dimensions of the two spaces, S rows of the sample, K neighbours. Row i of one space corresponds to row i of the other; all
rows are L2-normalised first. All measures are invariant to a rotation of either space.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import rows_at, unit_rows
from tda.geometry.arrays.rows import sample_rows, to_host

SCALE_QUANTILE = 0.9  # of the distances, set to 1 in both spaces before their components are compared (Barannikov et al. 2022)
LEAST_ROWS = 8
MOST_ALIKE = 1 - 1e-12  # a correlation beyond it has no finite place on Fisher's scale


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A value, its 95 % interval over draws of pairs, and its value when the pairs are shuffled (`chance`)."""

    value: float
    ci95: tuple[float, float]
    chance: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Four measures of two spaces. For equal spaces the first three are 1 and the last is 0."""

    cka: Measure  # linear CKA (Kornblith et al. 2019); grows with D / N even for unrelated spaces: see `chance`
    cka_debiased: Measure  # CKA from unbiased HSIC (Song et al. 2012): 0 on average for unrelated spaces at any D and N
    mutual_knn: Measure  # share of K nearest neighbours that both spaces have in common (Huh et al. 2024)
    cross_barcode: Measure  # mean bar of the H0 cross-barcode (Barannikov et al. 2022), in units of the .9 quantile of distances
    pairs: int
    k: int

    def metrics(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        measures = {name: vars(value) | {"ci95": list(value.ci95)} for name, value in vars(self).items() if isinstance(value, Measure)}
        return {**measures, "pairs": self.pairs, "k": self.k}


def compare(x_ND: Any, y_NE: Any, *, k: int = 10, sample: int = 1000, draws: int = 100, seed: int = 0, blocks: int = 1) -> Comparison:
    """Compare the spaces of rows (N, D) and (N, E), on at most `sample` rows drawn by `seed`.

    `k`: neighbours of `mutual_knn`. `blocks`: 2 where the rows are all images and then all texts in the same order: the members of a pair
    are drawn together. Intervals come from `draws` halves of the sample, drawn without replacement: halves vary about the whole sample as
    the sample varies about the truth (Politis and Romano 1994), and no row is compared with a copy of itself, as in a bootstrap. An
    interval is Student's, of the standard deviation over halves, CKA on Fisher's scale. Raises UserError where rows do not pair up, are
    too few for `k`, or are zero or not finite, and for fewer than 2 draws.
    """
    if x_ND.ndim != 2 or y_NE.ndim != 2 or x_ND.shape[0] != y_NE.shape[0]:
        raise UserError(f"rows {tuple(x_ND.shape)} and {tuple(y_NE.shape)} do not pair up; both must have N rows")
    if blocks < 1 or x_ND.shape[0] % blocks:
        raise UserError(f"{x_ND.shape[0]} rows are not {blocks} blocks of equally many")
    drawn_S = sample_rows(x_ND.shape[0] // blocks, sample // blocks, seed)
    chosen_S, pairs = _of_all_blocks(drawn_S, x_ND.shape[0] // blocks, blocks), len(drawn_S)
    count = len(chosen_S)
    if count < LEAST_ROWS or not 1 <= k < pairs // 2 * blocks or draws < 2:
        raise UserError(
            f"{count} pairs, k={k}, draws={draws}: at least {LEAST_ROWS} pairs, k from 1 to below half of them, 2 draws are needed"
        )
    rng = np.random.default_rng(seed)
    x_SS, y_SS = _cosines(x_ND, chosen_S, "the first space"), _cosines(y_NE, chosen_S, "the second space")
    shuffled_S = rng.permutation(count)
    halves = [_of_all_blocks(np.sort(rng.choice(pairs, pairs // 2, replace=False)), pairs, blocks) for _ in range(draws)]

    def measure(function: Callable[[Any, Any], float], scale: Scale) -> Measure:
        value = function(x_SS, y_SS)
        half = np.asarray([function(x_SS[np.ix_(rows, rows)], y_SS[np.ix_(rows, rows)]) for rows in halves])
        ci95 = scale.interval(value, half)
        return Measure(value=value, ci95=ci95, chance=function(x_SS, y_SS[np.ix_(shuffled_S, shuffled_S)]))

    return Comparison(
        cka=measure(_cka, Scale(0, 1, fisher=True)),
        cka_debiased=measure(_cka_debiased, Scale(-1, 1, fisher=True)),
        mutual_knn=measure(lambda a_SS, b_SS: _mutual_knn(a_SS, b_SS, k), Scale(0, 1)),
        cross_barcode=measure(_cross_barcode, Scale(0, np.inf)),
        pairs=count,
        k=k,
    )


@dataclass(frozen=True)
class Scale:
    """The range of a measure, and whether its interval is symmetric on Fisher's scale, atanh, as that of a correlation."""

    least: float
    most: float
    fisher: bool = False

    def interval(self, value: float, half_R: Any) -> tuple[float, float]:
        """Student's 95 % interval from the spread of R halves."""
        from scipy.stats import t  # imported here: it takes a second

        forth, back = (_atanh, np.tanh) if self.fisher else (np.asarray, np.asarray)
        middle, apart = forth(value), float(t.ppf(0.975, len(half_R) - 1)) * np.std(forth(half_R), ddof=1)
        low, high = np.clip(back([middle - apart, middle + apart]), self.least, self.most)
        return float(low), float(high)


def _atanh(correlation: Any) -> Any:
    return np.arctanh(np.clip(correlation, -MOST_ALIKE, MOST_ALIKE))


def _of_all_blocks(row_S: Any, pairs: int, blocks: int) -> Any:
    """The same rows of each block of `pairs` rows."""
    return np.concatenate([row_S + block * pairs for block in range(blocks)])


def _cosines(x_ND: Any, chosen_S: Any, what: str) -> Any:
    unit_SD = to_host(unit_rows(rows_at(x_ND, chosen_S), what))
    return unit_SD @ unit_SD.T


def _cka(x_SS: Any, y_SS: Any) -> float:
    def centred(gram_SS: Any) -> Any:
        return gram_SS - gram_SS.mean(0) - gram_SS.mean(1)[:, None] + gram_SS.mean()

    return _normalised(lambda a_SS, b_SS: float(np.vdot(a_SS, b_SS)), centred(x_SS), centred(y_SS))


def _cka_debiased(x_SS: Any, y_SS: Any) -> float:
    def hollow(gram_SS: Any) -> Any:
        gram_SS = gram_SS.copy()
        np.fill_diagonal(gram_SS, 0)
        return gram_SS

    def hsic(a_SS: Any, b_SS: Any) -> float:
        n, sums_S, others_S = len(a_SS), a_SS.sum(0), b_SS.sum(0)
        return float(np.vdot(a_SS, b_SS) + sums_S.sum() * others_S.sum() / ((n - 1) * (n - 2)) - 2 * sums_S @ others_S / (n - 2))

    return _normalised(hsic, hollow(x_SS), hollow(y_SS))


def _normalised(hsic: Callable[[Any, Any], float], x_SS: Any, y_SS: Any) -> float:
    """HSIC normalised to a correlation; 0 where one space is a single point, whose HSIC with itself is only rounding error."""
    own = [hsic(gram_SS, gram_SS) / max(len(gram_SS), float(np.vdot(gram_SS, gram_SS))) for gram_SS in (x_SS, y_SS)]
    if min(own) < 1e-12:
        return 0.0
    return hsic(x_SS, y_SS) / float(np.sqrt(hsic(x_SS, x_SS) * hsic(y_SS, y_SS)))


def _mutual_knn(x_SS: Any, y_SS: Any, k: int) -> float:
    def near(cosine_SS: Any) -> Any:
        cosine_SS = cosine_SS.copy()
        np.fill_diagonal(cosine_SS, -np.inf)
        near_SS = np.zeros(cosine_SS.shape, dtype=bool)
        np.put_along_axis(near_SS, np.argsort(-cosine_SS, axis=1, kind="stable")[:, :k], values=True, axis=1)
        return near_SS

    return float((near(x_SS) & near(y_SS)).sum() / (k * len(x_SS)))


def _cross_barcode(x_SS: Any, y_SS: Any) -> float:
    """Mean bar length of the H0 cross-barcode, averaged over both directions.

    The total of an H0 cross-barcode is the length of the minimum spanning tree of one space less that of min(x, y), the smaller of the
    two distances of each pair (Barannikov et al. 2022; Tulchinskii et al. 2025 for the trees).
    """
    x_P, y_P = _distances(x_SS), _distances(y_SS)
    nearer = _tree_length(np.minimum(x_P, y_P))
    return max((_tree_length(x_P) + _tree_length(y_P)) / 2 - nearer, 0.0) / (len(x_SS) - 1)


def _distances(cosine_SS: Any) -> Any:
    """Chords between all rows, in scipy's condensed form; in units of their .9 quantile unless that is 0."""
    chord_P = np.sqrt(np.clip(2 - 2 * cosine_SS[np.triu_indices(len(cosine_SS), 1)], 0, None))
    scale = float(np.quantile(chord_P, SCALE_QUANTILE))
    return chord_P / scale if scale > 0 else chord_P


def _tree_length(distance_P: Any) -> float:
    from scipy.cluster.hierarchy import linkage

    return float(linkage(distance_P, "single")[:, 2].sum())
