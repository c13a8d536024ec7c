"""Modern Hopfield retrieval (Ramsauer et al. 2021, eq. 3, one update step), as CLOOB uses it.

Shapes: Q queries, M stored patterns, B batch, D dimensions.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def retrieve(state_QD: Tensor, stored_MD: Tensor, beta: float) -> Tensor:
    """H(R; S) = softmax(beta R Sᵀ) S, rows renormalised.

    Parameters
    ----------
    state_QD: rows R that ask, of unit norm.
    stored_MD: rows S that answer, of unit norm.
    beta: inverse temperature; a large one finds the nearest stored row, a small one averages them all.

    Returns (Q, D) rows of unit norm, in float32 at least: under autocast, half precision would blur the averages.
    """
    precision = torch.promote_types(torch.promote_types(state_QD.dtype, stored_MD.dtype), torch.float32)
    with torch.autocast(state_QD.device.type, enabled=False):
        state_QD, stored_MD = state_QD.to(precision), stored_MD.to(precision)
        return normalize(torch.softmax(beta * state_QD @ stored_MD.T, dim=1) @ stored_MD, dim=1)


def retrievals(x_BD: Tensor, y_BD: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """H(X; X), H(Y; X), H(Y; Y), H(X; Y): each modality as both see it, in the stores of images, then of texts."""
    return retrieve(x_BD, x_BD, beta), retrieve(y_BD, x_BD, beta), retrieve(y_BD, y_BD, beta), retrieve(x_BD, y_BD, beta)
