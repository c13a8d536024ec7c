"""Real embeddings with the statistics expected of them, and rows with a planted spectrum."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CLIP = ("clip_vitb16_coco500", "clip_vitb16_random_coco500")
ARMS = ("clip", "cloob_infoNCE", "clip_infoLOOB", "cloob")


@dataclass(frozen=True)
class Real:
    """A real set: unit rows in float64, and its entry of expected.json. `sigma_atol`: what its storage leaves of sigma²."""

    image_ND: Any
    text_ND: Any
    expected: dict[str, Any]
    sigma_atol: float


def unit(x_ND: Any) -> Any:
    x_ND = np.asarray(x_ND, dtype=np.float64)
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)


@pytest.fixture(scope="session", params=[*CLIP, *ARMS])
def real(request: pytest.FixtureRequest, shared_data: Path) -> Real:
    expected = json.loads((shared_data / "expected.json").read_text())["expected"]
    if request.param in CLIP:
        with np.load(shared_data / f"{request.param}.npz", allow_pickle=False) as arrays:
            return Real(unit(arrays["image"]), unit(arrays["text"]), expected[request.param], 1e-9)
    with np.load(shared_data / "ablation_grams_coco100.npz", allow_pickle=False) as grams:
        values, vectors = np.linalg.eigh(grams[request.param].astype(np.float64))
    factor = unit(vectors * np.sqrt(np.clip(values, 0, None)))
    return Real(factor[:100], factor[100:], expected["ablation_grams_coco100"][request.param], 2e-6)


@pytest.fixture
def planted() -> Any:
    """``planted(n, variances_D, mean=0, seed=0)``: rows in float64 with exactly these eigenvalues of the covariance, turned at random."""

    def draw(n: int, variances_D: Any, mean: float = 0.0, seed: int = 0) -> Any:
        rng = np.random.default_rng(seed)
        dim = len(variances_D)
        raw = rng.standard_normal((n, dim))
        white, _ = np.linalg.qr(raw - raw.mean(0))
        turn, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
        centre = rng.standard_normal(dim)
        return white * np.sqrt((n - 1) * np.asarray(variances_D)) @ turn.T + mean * centre / np.linalg.norm(centre)

    return draw
