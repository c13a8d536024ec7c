"""Clusters of prompts, so that alike prompts count as one, by k-means on what prompts say or on their vectors.

P prompts, D dimensions.
"""

from typing import Any

import numpy as np

from tda.errors import UserError

MOST, SHARE = 60, 4  # clusters; prompts in each, on average


def prompt_clusters(rows_PD: Any, seed: int = 0) -> Any:
    """The cluster (P,) of each prompt: at most 60, of four prompts on average. Equal rows are in one. Raises UserError for no prompts."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    if not len(rows_PD):
        raise UserError("there are no prompts")
    distinct = len(np.unique(rows_PD, axis=0))
    count = max(1, min(MOST, len(rows_PD) // SHARE, distinct))
    with threadpool_limits(1):
        return KMeans(count, n_init=4, random_state=seed).fit(np.asarray(rows_PD, np.float64)).labels_
