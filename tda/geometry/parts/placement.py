"""Rows beyond the fit: their places, clusters and local-dimension clusters, and how far the fitted sample stands for them.

M fitted pairs, T = 2M fitted rows, the images first; N further rows, D dimensions, C coordinates of the layout, K clusters.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tda.config.analysis import AnalysisConfig
from tda.geometry.arrays.equal_rows import value_hashes
from tda.geometry.arrays.namespace import row_blocks
from tda.geometry.clusters.assign import NOISE
from tda.geometry.clusters.density import Clustering
from tda.geometry.clusters.predict import Predictor
from tda.geometry.neighbors.among import Among
from tda.geometry.parts import clusters as cluster_part
from tda.geometry.parts.clusters import Principal, Raw
from tda.geometry.parts.layout import model_of


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Places (N, C) float32, labels (N,) int32 (-1 is noise) and their probabilities (N,) float32 in [0, 1]."""

    layout_NC: Any
    label_N: Any
    probability_N: Any


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Rows that have a label, by hash: (K,) ascending, with their labels and probabilities. Further rows that equal one take these."""

    hash_K: Any
    label_K: Any
    probability_K: Any

    @classmethod
    def of(cls, hash_N: Any, label_N: Any, probability_N: Any) -> "Labelled":
        """From the hashes (N,) of labelled rows, by `value_hashes`; of equal rows the first counts."""
        hash_K, at_K = np.unique(hash_N, return_index=True)
        return cls(hash_K=hash_K, label_K=label_N[at_K], probability_K=probability_N[at_K])

    def carried(self, placed: "Placed", x_ND: Any) -> "Placed":
        """The same with the labels of equal rows."""
        label_N, firm_N = self.over(value_hashes(x_ND), placed.label_N, placed.probability_N)
        return Placed(layout_NC=placed.layout_NC, label_N=label_N.astype(np.int32), probability_N=firm_N.astype(np.float32))

    def over(self, hash_N: Any, label_N: Any, probability_N: Any) -> tuple[Any, Any]:
        """Labels (N,) and probabilities (N,) of rows with these hashes: those of an equal row that is labelled, else those given."""
        if not len(self.hash_K):
            return label_N, probability_N
        at_N = np.minimum(np.searchsorted(self.hash_K, hash_N), len(self.hash_K) - 1)
        equal_N = self.hash_K[at_N] == hash_N
        return np.where(equal_N, self.label_K[at_N], label_N), np.where(equal_N, self.probability_K[at_N], probability_N)


@dataclass(kw_only=True)
class Fitted:
    """A layout and a clustering of sampled rows. `x_TD`: the rows; `layout_TC`: their places; `predictor`: None if all rows are noise."""

    x_TD: Any
    layout_TC: Any
    predictor: Predictor | None
    space: Raw | Principal | None  # that is clustered; None: the layout
    analysis: AnalysisConfig

    def place(self, x_ND: Any) -> Placed:
        """Place and label further rows, each by itself: the same alone or among others. Raises UserError for a row without a direction."""
        blocks = [self._block(x_ND[block]) for block in row_blocks(len(x_ND), self.analysis.block_rows)]
        empty = Placed(
            layout_NC=np.empty((0, self.layout_TC.shape[1]), np.float32),
            label_N=np.empty(0, np.int32),
            probability_N=np.empty(0, np.float32),
        )
        parts = [empty, *blocks]
        return Placed(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(empty)})

    def _block(self, x_BD: Any) -> Placed:
        layout_BC = self._model.placed(self._among.nearest(x_BD), self.layout_TC)
        label_B, firm_B = np.full(len(x_BD), NOISE), np.zeros(len(x_BD))
        if self.predictor is not None:
            label_B, firm_B = self.predictor.predict(layout_BC if self.space is None else self.space.project(x_BD))
        return Placed(layout_NC=layout_BC, label_N=label_B.astype(np.int32), probability_N=firm_B.astype(np.float32))

    @property
    def exact(self) -> bool:
        """Whether all fitted rows are compared, not those of the nearest cells alone."""
        return self._among.exact

    @cached_property
    def _among(self) -> Among:
        return Among(self.x_TD, min(self.analysis.umap.n_neighbors, len(self.x_TD)), self.analysis.seed)

    @cached_property
    def _model(self) -> Any:
        return model_of(self.analysis, self.analysis.seed, len(self.x_TD))


def predictor_of(found: Clustering, label_T: Any) -> Predictor | None:
    """What labels further rows, with the numbers of the clusters in `label_T` (T,), an earlier clustering of the same rows.

    Both are the same but for rounding on another machine: each cluster takes the number that most of its rows had.
    """
    predictor, own_T = found.predictor, np.asarray(found.labels)
    if predictor is None or np.array_equal(own_T, label_T):
        return predictor
    kept_T = (own_T != NOISE) & (label_T != NOISE)
    votes_KK = np.zeros((found.count, int(label_T.max(initial=NOISE)) + 1), np.int64)
    if not votes_KK.shape[1]:
        return None
    np.add.at(votes_KK, (own_T[kept_T], label_T[kept_T]), 1)
    return predictor.renamed(np.where(votes_KK.any(axis=1), votes_KK.argmax(axis=1), NOISE))


def counts(label_2N: Any, probability_2N: Any, firsts: int | None = None) -> dict[str, Any]:
    """Columns of `row_clusters.parquet`: cluster (-1 is noise), images, texts, image_share, mean probability. From labels (2, N)."""
    clusters = (int(label_2N.max(initial=NOISE)) + 1) if firsts is None else firsts
    size_2K = np.stack([np.bincount(label_N + 1, minlength=clusters + 1) for label_N in label_2N])
    total_K = size_2K.sum(axis=0)
    firm_K = np.bincount(label_2N.ravel() + 1, probability_2N.ravel(), clusters + 1)
    return {
        "cluster": np.arange(-1, clusters, dtype=np.int32),
        "images": size_2K[0],
        "texts": size_2K[1],
        "image_share": np.where(total_K > 0, size_2K[0] / np.maximum(total_K, 1), np.nan),
        "probability": np.where(total_K > 0, firm_K / np.maximum(total_K, 1), np.nan),
    }


def clustered(x_TC: Any, analysis: AnalysisConfig, sample: int | None) -> Clustering:
    """The clustering of the fit again, on the CPU."""
    from dataclasses import replace

    engine = "auto" if analysis.clusters.engine == "cuml" else analysis.clusters.engine
    return cluster_part.cluster(x_TC, replace(analysis, clusters=replace(analysis.clusters, engine=engine)), sample)
