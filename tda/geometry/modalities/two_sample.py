"""Are images and texts two samples of one distribution? Two tests with exact levels, by exchanging the members of pairs.

M pairs of unit rows. Under the null hypothesis the two members of a pair are exchangeable, so that a statistic that changes sign or
value with the exchange of single pairs can be drawn again by random signs: s' H s for an (M, M) matrix H.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import check_pairs, unit_rows
from tda.geometry.arrays.rows import to_host


@dataclass(frozen=True, kw_only=True)
class Test:
    """A statistic and the share of exchanges that give one as large."""

    value: float
    p_value: float

    def metrics(self) -> dict[str, Any]:
        return asdict(self)


def mmd(image_MD: Any, text_MD: Any, *, draws: int = 999, seed: int = 0) -> Test:
    """Unbiased MMD² with a Gaussian kernel of the median distance (Gretton et al. 2012, eq. 4): 0 on average for one distribution.

    Raises UserError for unequal shapes, fewer than two pairs, or a row that is zero or not finite.
    """
    rows_ND = _pooled(image_MD, text_MD)
    count = len(rows_ND) // 2
    squared_NN = np.clip(2 - 2 * (rows_ND @ rows_ND.T), 0.0, None)
    median = float(np.median(squared_NN[np.triu_indices(len(rows_ND), 1)]))
    kernel_NN = np.exp(-squared_NN / (median if median > 0 else 1.0))
    pairs_MM = _signed(kernel_NN, count)
    np.fill_diagonal(pairs_MM, 0.0)
    return _tested(pairs_MM / (count * (count - 1)), 0.0, draws, seed)


def own_modality(image_MD: Any, text_MD: Any, k: int = 10, *, draws: int = 999, seed: int = 0) -> Test:
    """The share of the `k` nearest rows of a row that are of its modality, partners included (Schilling 1986): about .5 if they mix.

    Raises UserError as `mmd` does, and for k below 1 or of all rows.
    """
    rows_ND = _pooled(image_MD, text_MD)
    count = len(rows_ND) // 2
    if not 1 <= k < len(rows_ND):
        raise UserError(f"k={k} is out of range; it must be from 1 to below {len(rows_ND)}")
    cosine_NN = rows_ND @ rows_ND.T
    np.fill_diagonal(cosine_NN, -np.inf)
    near_NN = np.zeros(cosine_NN.shape)
    np.put_along_axis(near_NN, np.argsort(-cosine_NN, axis=1, kind="stable")[:, :k], 1.0, axis=1)
    return _tested(_signed(near_NN, count) / (2 * k * len(rows_ND)), 0.5, draws, seed)


def _pooled(image_MD: Any, text_MD: Any) -> Any:
    check_pairs(image_MD, text_MD)
    return np.concatenate([to_host(unit_rows(image_MD, "image")), to_host(unit_rows(text_MD, "text"))]).astype(np.float64)


def _signed(relation_NN: Any, count: int) -> Any:
    """H of pairs: what two pairs contribute as they are, less what they contribute with one of them exchanged."""
    own = relation_NN[:count, :count] + relation_NN[count:, count:]
    return own - relation_NN[:count, count:] - relation_NN[count:, :count]


def _tested(form_MM: Any, offset: float, draws: int, seed: int) -> Test:
    if draws < 1:
        raise UserError(f"draws={draws} is too small; it must be at least 1")
    value = float(form_MM.sum())
    sign_RM = np.random.default_rng(seed).choice([-1.0, 1.0], size=(draws, len(form_MM)))
    drawn_R = ((sign_RM @ form_MM) * sign_RM).sum(axis=1)
    return Test(value=offset + value, p_value=(1 + int((drawn_R >= value - 1e-12).sum())) / (draws + 1))
