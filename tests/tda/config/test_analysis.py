"""The settings of an analysis: what belongs to a part has its name, and bounds name the field as a user types it."""

from dataclasses import fields

import pytest

from jobs.analysis.registry import REGISTRY
from tda.config.analysis import (
    LANDMARK_LIMIT,
    PARTS,
    AlignmentConfig,
    AnalysisConfig,
    ClustersConfig,
    CompareConfig,
    CosineConfig,
    DimensionConfig,
    HomologyConfig,
    LocalDimensionConfig,
    MixingConfig,
    RetrievalConfig,
    SeparabilityConfig,
    SpectrumConfig,
    SweepConfig,
    UmapConfig,
)
from tda.errors import UserError

WRONG = [
    (CosineConfig, {"quantiles": [0.5, 1.5]}, "cosine.quantiles=1.5 is out of range; it must be from 0 to 1"),
    (CosineConfig, {"bins": 0}, "cosine.bins=0 is too small; it must be at least 1"),
    (SeparabilityConfig, {"c": 0.0}, "separability.c=0.0 is too small; it must be above 0"),
    (RetrievalConfig, {"max_pairs": 1}, "retrieval.max_pairs=1 is too small; it must be at least 2"),
    (SpectrumConfig, {"method": "svd"}, "spectrum.method='svd' is unknown; choose one of: gram, randomized, tsqr"),
    (UmapConfig, {"output": "torus"}, "umap.output='torus' is unknown; choose one of: sphere, plane"),
    (UmapConfig, {"min_dist": 1.5}, "umap.min_dist=1.5 must lie between 0 and spread=1.0"),
    (UmapConfig, {"learning_rate": 0.0}, "umap.learning_rate=0.0 is too small; it must be above 0"),
    (MixingConfig, {"k": 0}, "mixing.k=0 is too small; it must be at least 1"),
    (ClustersConfig, {"stability_sizes": [10, 1]}, "clusters.stability_sizes=1 is too small; it must be at least 2"),
    (ClustersConfig, {"engine": "dbscan"}, "clusters.engine='dbscan' is unknown; choose one of: auto, hdbscan, fast_hdbscan, cuml"),
    (LocalDimensionConfig, {"draws": 0}, "local_dimension.draws=0 is too small; it must be at least 1"),
    (DimensionConfig, {"discard": 1.0}, "dimension.discard=1.0 is out of range; it must be at least 0 and below 1"),
    (HomologyConfig, {"landmarks": LANDMARK_LIMIT + 1}, "homology.landmarks=5001 is out of range; it must be from 2 to 5000"),
    (HomologyConfig, {"max_degree": 2}, "homology.max_degree=2 is out of range; it must be from 0 to 1"),
    (AlignmentConfig, {"sample_pairs": 9}, "alignment.sample_pairs=9 is out of range; it must be from 100 to 1000000"),
    (CompareConfig, {"sample": 7}, "compare.sample=7 is too small; it must be at least 8"),
    (AnalysisConfig, {"seed": -1}, "seed=-1 is out of range; it must be from 0 to 2147483648"),
    (AnalysisConfig, {"device": "tpu"}, "device='tpu' is unknown; choose one of: auto, cpu, cuda"),
    (AnalysisConfig, {"parts": ["gap", "moon"]}, "parts='moon' is unknown; choose one of: gap, cosine, "),
]


@pytest.mark.parametrize(("schema", "values", "message"), WRONG)
def test_a_wrong_value_is_named_with_what_would_be_right(schema: type, values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as refused:
        schema(**values)
    assert str(refused.value).startswith(f"analysis.{message}")


def test_the_grid_of_an_experiment_is_no_part_of_the_analysis() -> None:
    with pytest.raises(UserError, match=r"^sweep\.n_neighbors=1 is too small"):
        SweepConfig(n_neighbors=[5, 1])
    with pytest.raises(UserError, match=r"^sweep\.min_dist=-0\.1 is too small"):
        SweepConfig(min_dist=[-0.1])


def test_parts_and_their_settings_have_the_same_names() -> None:
    groups = {one.name for one in fields(AnalysisConfig)} - {"parts", "seed", "device", "block_rows", "rows", "compare"}
    assert not (unknown := groups - set(PARTS)), f"settings of no part in PARTS: {unknown}"
    assert not (unregistered := set(PARTS) - {part.name for part in REGISTRY}), f"in PARTS, not in REGISTRY: {unregistered}"
    assert {part.name for part in REGISTRY if part.settings} == groups


def test_parts_are_all_by_default_and_not_shared() -> None:
    first, second = AnalysisConfig(), AnalysisConfig()
    first.parts.remove("gap")
    assert second.parts == list(PARTS)
