"""Vectors from a Gram matrix have its cosines; a matrix that holds none is refused."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tda.errors import UserError
from tda.geometry.gram import vectors_of_gram


def unit(rows: int, dims: int, seed: int = 0) -> NDArray[np.float64]:
    x_ND = np.random.default_rng(seed).normal(size=(rows, dims))
    found: NDArray[np.float64] = x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)
    return found


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 60), st.sampled_from([np.float64, np.float32]))
def test_cosines_are_those_of_the_matrix(pairs: int, dims: int, kind: type) -> None:
    x_MD = unit(2 * pairs, dims, seed=pairs * 100 + dims)
    image_ND, text_ND = vectors_of_gram((x_MD @ x_MD.T).astype(kind))
    found_MD = np.concatenate([image_ND, text_ND])
    assert np.allclose(found_MD @ found_MD.T, x_MD @ x_MD.T, atol=1e-6 if kind is np.float64 else 2e-3)
    assert np.allclose(np.linalg.norm(found_MD, axis=1), 1)
    assert len(image_ND) == len(text_ND) == pairs


def test_dimensions_are_the_rank() -> None:
    x_MD = unit(40, 7)
    assert vectors_of_gram(x_MD @ x_MD.T)[0].shape == (20, 7)


GOOD = unit(8, 5) @ unit(8, 5).T


@pytest.mark.parametrize(
    ("spoil", "reported"),
    [
        (lambda g: g[:, :6], r"has shape \(8, 6\)"),
        (lambda g: g[:7, :7], r"has shape \(7, 7\)"),
        (lambda g: g[:0, :0], "has shape"),
        (lambda g: g * 2, "on its diagonal"),
        (lambda g: 1 - g, "on its diagonal"),
        (lambda g: g + np.triu(np.full_like(g, 0.1), 1), "is not symmetric"),
        (lambda g: np.where(np.eye(8) > 0, g, np.nan), "not finite"),
        (lambda g: np.where(np.eye(8) > 0, g, -1.0), "has an eigenvalue of"),
    ],
)
def test_what_holds_no_cosines_is_refused(spoil: Callable[[NDArray[np.float64]], NDArray[np.float64]], reported: str) -> None:
    with pytest.raises(UserError, match=reported) as error:
        vectors_of_gram(spoil(GOOD), "m")
    assert "\n" not in str(error.value)
