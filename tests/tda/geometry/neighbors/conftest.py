"""Rows that every way of searching is tried on, with brute force's answer, and the ways themselves."""

from typing import Any

import pytest
from brute_cosines import brute, clustered

from tda.geometry.neighbors import bfloat16_tiles, cell_scan


@pytest.fixture(scope="session", params=["float16", "float32", "float64"])
def rows(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Queries (700, 48) and a reference (3000, 48) that holds 50 of them."""
    reference_MD = clustered(3000, 48, 9, 0.2, 0).astype(request.param)
    queries_ND = clustered(700, 48, 9, 0.2, 1).astype(request.param)
    queries_ND[:50] = reference_MD[100:150]
    return queries_ND, reference_MD


@pytest.fixture(scope="session")
def best_40(rows: tuple[Any, Any]) -> tuple[Any, Any]:
    """Brute force's answer for `rows`; its first columns are the answer for fewer."""
    return brute(*rows, 40)


@pytest.fixture(params=["scanned", "tiled", "scanned in bfloat16", "tiled in bfloat16"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ways to compare rows: small tables by the kernel, large ones tile by tile, either by way of bfloat16 or not."""
    monkeypatch.setattr(bfloat16_tiles, "pays", lambda _: "bfloat16" in request.param)
    if "tiled" in request.param:
        monkeypatch.setattr(cell_scan, "LARGEST", 0)
    return str(request.param)
