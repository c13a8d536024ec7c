"""The nearest of fixed rows for any number of further rows, block by block: each row's neighbours depend on that row and the fixed ones.

T fixed rows, D dimensions, M queries, K neighbours, C candidates.
"""

from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.rows import sample_rows, to_host
from tda.geometry.neighbors.graph import EXACT_ROWS, SAMPLE, SPARE, Knn, _distances, _ordered, _probes
from tda.geometry.neighbors.sizes import FEWEST


class Among:
    """Finds the `k` nearest of fixed rows (T, D) by cosine: exactly up to `EXACT_ROWS` of them, as in `knn_graph`.

    Above, in as many cells as give a recall of `graph.RECALL` on sampled rows, drawn by `seed`; `exact` names which. Raises UserError for
    no rows and for a row that is zero or not finite.
    """

    def __init__(self, fixed_TD: Any, k: int, seed: int = 0, *, exact_rows: int = EXACT_ROWS) -> None:
        from tda.geometry.neighbors.reference import Reference  # imported here: it takes the seconds of torch

        self.fixed_TD, self.k = to_host(fixed_TD), min(k, len(fixed_TD))
        self._wide, self._probes = min(self.k + SPARE, len(fixed_TD)), None
        one = len(self.fixed_TD) <= exact_rows
        self._reference = Reference(self.fixed_TD, cells=1 if one else None, seed=seed, sample=FEWEST)
        if not one:
            sample_SD = self.fixed_TD[sample_rows(len(self.fixed_TD), SAMPLE, seed)]
            self._probes = _probes(self._reference, sample_SD, self._wide)
        self.exact = self._probes is None

    def nearest(self, query_MD: Any) -> Knn:
        """The K nearest fixed rows of each query (M, D). Raises UserError for another dimension and a row that is zero or not finite."""
        query_MD = to_host(query_MD)
        if query_MD.ndim != 2 or query_MD.shape[1] != self.fixed_TD.shape[1]:
            raise UserError(f"rows {tuple(query_MD.shape)} do not fit the fitted rows {tuple(self.fixed_TD.shape)}: dimensions must agree")
        cosine_MC, near_MC = self._reference.search(query_MD, self._probes, self._wide)
        short = np.flatnonzero((near_MC < 0).any(axis=1))  # rows whose cells hold too few candidates
        if len(short):
            cosine_MC[short], near_MC[short] = self._reference.search(query_MD[short], None, self._wide)
        return _ordered(near_MC, _distances(query_MD, self.fixed_TD, near_MC, cosine_MC), self.k, exact=self.exact)
