"""Contrastive objectives: InfoNCE and InfoLOOB, each with and without modern Hopfield retrieval (Ramsauer et al. 2021, eq. 3, one step).

Shapes: B pairs, D dimensions, Q queries, M stored patterns. Row i of x (images) belongs to row i of y (texts); rows have unit norm.
s = `inv_tau` = 1/τ. Scales differ as in the sources: InfoNCE is the mean of its two directions, InfoLOOB and CLOOB are sums of two terms
and carry a factor τ. `objective` brings them to one scale for an optimiser.
Logits are computed in float32 or more, also under autocast: at s = 30, half precision would round them by 0.02.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

Loss = Callable[[Tensor, Tensor], Tensor]
Scale = float | Tensor  # a tensor where the temperature is learned


def info_nce(x_BD: Tensor, y_BD: Tensor, inv_tau: Scale) -> Tensor:
    """InfoNCE (van den Oord et al. 2018; CLIP): half the cross entropy of the rows of s X Yᵀ plus that of its columns. Scalar, >= 0."""
    logits_BB = _logits(x_BD, y_BD, inv_tau)
    return (_nce_rows(logits_BB) + _nce_rows(logits_BB.T)) / 2


def info_loob(x_BD: Tensor, y_BD: Tensor, inv_tau: Scale) -> Tensor:
    """InfoLOOB (Poole et al. 2019; Fürst et al. 2021): the sum of both directions of `info_loob_rows`. Scalar, of either sign."""
    logits_BB = _logits(x_BD, y_BD, inv_tau)
    return (_loob_rows(logits_BB) + _loob_rows(logits_BB.T)) / inv_tau


def info_loob_rows(x_BD: Tensor, y_BD: Tensor, inv_tau: Scale) -> Tensor:
    """One direction: τ (-mean kᵢᵢ + mean over i of logsumexp over j ≠ i of kᵢⱼ), k = s X Yᵀ. Negatives are summed, not averaged."""
    return _loob_rows(_logits(x_BD, y_BD, inv_tau)) / inv_tau


def cloob(x_BD: Tensor, y_BD: Tensor, inv_tau: Scale, beta: float) -> Tensor:
    """CLOOB (Fürst et al. 2021, eqs 9 to 13): InfoLOOB on retrievals from images plus InfoLOOB on retrievals from texts. Scalar."""
    xx_BD, yx_BD, yy_BD, xy_BD = retrievals(x_BD, y_BD, beta)
    return info_loob_rows(xx_BD, yx_BD, inv_tau) + info_loob_rows(yy_BD, xy_BD, inv_tau)


def info_nce_hopfield(x_BD: Tensor, y_BD: Tensor, inv_tau: Scale, beta: float) -> Tensor:
    """InfoNCE after retrieval, row by row as CLOOB pairs them: no released code defines it; it follows `cloob`. Scalar."""
    xx_BD, yx_BD, yy_BD, xy_BD = retrievals(x_BD, y_BD, beta)
    return (_nce_rows(_logits(xx_BD, yx_BD, inv_tau)) + _nce_rows(_logits(yy_BD, xy_BD, inv_tau))) / 2


def retrieve(state_QD: Tensor, stored_MD: Tensor, beta: float) -> Tensor:
    """H(R; S) = softmax(beta R Sᵀ) S, rows renormalised.

    Parameters
    ----------
    state_QD: queries R, of unit norm.
    stored_MD: stored patterns S, of unit norm.
    beta: inverse temperature; large values give the nearest stored row, small ones the mean of all.

    Returns (Q, D) rows of unit norm, in float32 at least: under autocast, half precision would blur the averages.
    """
    precision = torch.promote_types(torch.promote_types(state_QD.dtype, stored_MD.dtype), torch.float32)
    with torch.autocast(state_QD.device.type, enabled=False):
        state_QD, stored_MD = state_QD.to(precision), stored_MD.to(precision)
        return normalize(torch.softmax(beta * state_QD @ stored_MD.T, dim=1) @ stored_MD, dim=1)


def retrievals(x_BD: Tensor, y_BD: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """H(X; X), H(Y; X), H(Y; Y), H(X; Y): both modalities retrieved from the stored images, then from the stored texts."""
    return retrieve(x_BD, x_BD, beta), retrieve(y_BD, x_BD, beta), retrieve(y_BD, y_BD, beta), retrieve(x_BD, y_BD, beta)


def objective(loss: str, hopfield: bool, inv_tau: Scale, beta: float) -> Loss:
    """The loss that an arm minimises: `loss` infonce | infoloob, brought to InfoNCE's scale."""
    if loss == "infonce":
        return (lambda x, y: info_nce_hopfield(x, y, inv_tau, beta)) if hopfield else (lambda x, y: info_nce(x, y, inv_tau))
    assert loss == "infoloob", loss
    scale = inv_tau / 2  # undoes the factor τ and the sum of two, so that learning rates mean the same for every arm
    return (lambda x, y: scale * cloob(x, y, inv_tau, beta)) if hopfield else (lambda x, y: scale * info_loob(x, y, inv_tau))


def _logits(x_BD: Tensor, y_BD: Tensor, inv_tau: Scale) -> Tensor:
    """s X Yᵀ, (B, B), in float32 or more also under autocast. Raises ValueError for fewer than two pairs or unequal shapes."""
    if x_BD.shape != y_BD.shape or x_BD.ndim != 2 or len(x_BD) < 2:
        raise ValueError(f"contrast needs two (B, D) arrays of one shape, B at least 2; got {tuple(x_BD.shape)} and {tuple(y_BD.shape)}")
    precision = torch.promote_types(torch.promote_types(x_BD.dtype, y_BD.dtype), torch.float32)
    with torch.autocast(x_BD.device.type, enabled=False):
        return inv_tau * x_BD.to(precision) @ y_BD.to(precision).T


def _nce_rows(logits_BB: Tensor) -> Tensor:
    return (torch.logsumexp(logits_BB, dim=1) - logits_BB.diagonal()).mean()


def _loob_rows(logits_BB: Tensor) -> Tensor:
    """The positive is excluded exactly: its entry becomes -inf, which adds 0 to the sum and has no gradient."""
    diagonal_BB = torch.eye(len(logits_BB), dtype=torch.bool, device=logits_BB.device)
    return (torch.logsumexp(logits_BB.masked_fill(diagonal_BB, -torch.inf), dim=1) - logits_BB.diagonal()).mean()
