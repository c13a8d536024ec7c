"""The registry of parts: names and order, hashes that stored analyses are known by, and the result line."""

from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jobs.analysis import registry
from jobs.analysis.part import Measuring
from jobs.analysis.parts import part_hashes, with_needed
from jobs.analysis.registry import REGISTRY
from jobs.analyze import result_line
from tda.config.analysis import (
    PARTS,
    AnalysisConfig,
    ClustersConfig,
    MixingConfig,
    RetrievalConfig,
    SeparabilityConfig,
    SpectrumConfig,
)
from tda.config.cluster import ClusterConfig

ROWS = {"a": ["x", 1], "b": ["y", 2]}
# A hash that changes makes every stored analysis stale: these are to stay.
DEFAULT = {
    "gap": "8db8ae254517991d3c8074151ed050dc9f5ea36e902df78d26af923ff5aeee76",
    "cosine": "48364767616df9193215f4324e4334f611ca557bc23d517dca8f0202efb2ded2",
    "separability": "aa1dc1fce72a70b42b56873cf174cf127d0c7b6bb5d2e75fda95dddea3455a96",
    "retrieval": "703951054347dc9d6551517e82d4b283d0e589029cf9ab49004db6719edeb699",
    "spectrum": "8b8ed8cbb5622a6ddce27f6ab8060b8589c47509c97a869305159ca9127d629b",
    "umap": "c89783cd2f8521784a9d7f3ba6c0592eaa046848795fa3971f23174af9dba29b",
    "mixing": "0f63d0b311f23a3ecd292c09fa501daf56e8e5ec8515bc447b376b3ae6f76bf7",
    "clusters": "6f425ccabb9f8b8b4595a45e18b8b47339f16611cb1f40861f34b4eafa154d72",
    "local_dimension": "6ee494a1ddd3a28db933df91cbc3a91eb45686babb798f15a38e39da0453c149",
    "dimension": "c180d93e64a6839a9bc726a3a4f1971d2159434f1130224c6f8aa1e9c3c07513",
    "homology": "b7f4575f7d529ae56334d8de459ca6e820ef24caa39ae30bc23e4a7435f9f695",
}
OTHERWISE = {
    "gap": "8db8ae254517991d3c8074151ed050dc9f5ea36e902df78d26af923ff5aeee76",
    "cosine": "48364767616df9193215f4324e4334f611ca557bc23d517dca8f0202efb2ded2",
    "separability": "b931532833d01e91660194555da4e9ca4853db2e9d552a18ddc1d6e8690340e1",
    "retrieval": "703951054347dc9d6551517e82d4b283d0e589029cf9ab49004db6719edeb699",
    "spectrum": "6ad0796bddc4f9ce20440dd1cf7fda118a95ec6436f0413527be67b62c0d7be8",
    "umap": "853ed5e0dc0ec220fe974cbf3ff12bb43932bf9ce7e8ce14e2364aa3c28e9470",
    "mixing": "b7accb41fe70cd01a9ec4984d7a176caf4ecb2b8d9577f31549e361d9a5e2423",
    "clusters": "8edfaf361f7efa368a7020842bfb0113d4c9e8900e387143b22729cee52323f4",
    "local_dimension": "6ba4b033f7688ad00548cdf6ec46dcfa0ae93f1f2980d1365fbdbfa4d28d4c1e",
    "dimension": "3d520ee105d47955cb1dea09a05c94f0f9d888d45eb39aa9e289ef40a4dccaea",
    "homology": "62bf117c7919dc17904233d5d73f8cec15f022a617fb78e5512a6c68a1ba6eb1",
}


def test_the_names_in_the_configuration_are_those_of_the_registry() -> None:
    names = tuple(part.name for part in REGISTRY)
    assert not (missing := set(PARTS) - set(names)), f"in PARTS of tda/config/analysis.py, not in REGISTRY: {missing}"
    assert names == PARTS, "in the same order"


def test_no_two_parts_fill_the_same_key_or_table() -> None:
    for own in ([key for part in REGISTRY for key in part.keys], [name for part in REGISTRY for name in part.tables]):
        assert len(own) == len(set(own))


def test_settings_of_cost_are_fields_of_the_part() -> None:
    analysis = AnalysisConfig()
    for part in REGISTRY:
        own = getattr(analysis, part.name, None)
        assert set(part.cost_only(analysis)) <= ({field.name for field in fields(own)} if own else set())


def test_a_part_stands_behind_those_that_it_needs() -> None:
    seen: set[str] = set()
    for part in REGISTRY:
        assert set(part.needs(AnalysisConfig())) <= seen
        seen.add(part.name)


def test_hashes_of_the_default_settings_stay() -> None:
    found = part_hashes(ROWS, "a", AnalysisConfig())
    assert {name: found[name] for name in DEFAULT} == DEFAULT


def test_hashes_of_other_settings_stay() -> None:
    analysis = AnalysisConfig(
        seed=3,
        spectrum=SpectrumConfig(method="randomized"),
        clusters=ClustersConfig(space="raw"),
        separability=SeparabilityConfig(transfer=["b"]),
        mixing=MixingConfig(k=7),
    )
    found = part_hashes(ROWS, "a", analysis)
    assert {name: found[name] for name in OTHERWISE} == OTHERWISE


def test_the_tables_of_the_layout_are_known_whatever_its_mixing_counts() -> None:
    default, seven = (part_hashes(ROWS, "a", AnalysisConfig(mixing=MixingConfig(k=k))) for k in (15, 7))
    changed = {name for name in default if default[name] != seven[name]}
    assert changed == {"umap", "mixing"}, "clusters and local dimension are made of the layout's table"
    former = part_hashes(ROWS, "a", AnalysisConfig(mixing=MixingConfig(k=7)), former=True)
    assert {name for name in former if former[name] != seven[name]} == {"clusters", "placement", "local_dimension"}
    assert former["clusters"] == "4fee94fdf52101b0d6af8c0e22ab0c6d83005ad0ff7d4d898aeca3e440e0f5a7", "as the last version wrote it"


def test_parts_bring_those_that_they_need() -> None:
    def names(parts: list[str], analysis: AnalysisConfig) -> list[str]:
        return [part.name for part in with_needed(parts, analysis)]

    assert names(["local_dimension", "gap"], AnalysisConfig()) == ["gap", "retrieval", "umap", "clusters", "local_dimension"]
    raw = AnalysisConfig(clusters=ClustersConfig(space="raw"))
    assert names(["local_dimension"], raw) == ["retrieval", "clusters", "local_dimension"]


def test_result_line_has_the_words_of_every_part() -> None:
    metrics: dict[str, Any] = {"dataset": "d", "encoder": "e", "pairs": 1234, "modalities": ["image", "text"]}
    assert result_line(metrics) == "d / e: 1,234 pairs"
    metrics |= {
        "clusters": {"count": 7, "noise_fraction": 0.125},
        "umap": {"output": "sphere", "mixing": 0.25},
        "spectrum": {"image": {"effective_rank": 10.04}, "text": {"effective_rank": 9.96}},
        "retrieval": {"image_to_text": {"top1": 0.333}},
        "separability": {"heldout": {"accuracy": 0.999}},
        "gap": {"centroid_distance": 0.8214},
    }
    expected = (
        "d / e: 1,234 pairs, gap 0.821, SVM held out 1.00, top-1 image to text 0.33, effective rank 10.0 / 10.0, "
        "mixing on the sphere 0.25, 7 clusters, 12% noise"
    )
    assert result_line(metrics) == expected
    metrics["spectrum"]["image"]["effective_rank"] = None  # a randomized spectrum that has not all values
    assert result_line(metrics) == expected.replace(", effective rank 10.0 / 10.0", "")


def test_retrieval_of_more_pairs_than_queries_draws_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """And with fewer pairs, or queries of every pair, all are ranked."""
    ranked = np.zeros(3, np.int64)
    monkeypatch.setattr(registry, "sampled_retrieval", lambda *_: ({"retrieval": "drawn"}, {}))
    monkeypatch.setattr(registry.pairs, "ranks", lambda *_: (np.arange(3), ranked, ranked))

    def retrieval(queries: int | None) -> Any:
        analysis = AnalysisConfig(retrieval=RetrievalConfig(queries=queries))
        subject: Any = SimpleNamespace(analysis=analysis, embeddings=range(3))
        run = Measuring(subject=subject, others={}, parts=[], stored=dict, cluster=ClusterConfig(), hashes={"retrieval": "h"})
        return registry._retrieval(run, None)[0]["retrieval"]

    assert retrieval(2) == "drawn"
    for queries in (3, None):
        assert retrieval(queries)["image_to_text"]["top1"] == 1, "every rank is 0"
