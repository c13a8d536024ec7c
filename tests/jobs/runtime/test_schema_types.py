"""Types and names of a job's fields by dotted names."""

import pytest

from jobs.runtime.schema_types import alternatives, field_type, group_of, in_mapping, names_at
from tda.config.analysis import UmapConfig
from tda.config.datasets import ToyConfig
from tda.config.jobs import AnalyzeJob, EmbedJob, PaperJob


@pytest.mark.parametrize(
    ("schema", "path", "kind"),
    [
        (EmbedJob, "root", str),
        (EmbedJob, "dataset.name", str),
        (EmbedJob, "encoder.checkpoint", str | None),
        (EmbedJob, "encoders", list[str]),
        (EmbedJob, "dataset.toy.seed", int),
        (AnalyzeJob, "analysis.umap.min_dist", float),
        (PaperJob, "report.models.anything", str),
        (PaperJob, "arms.one.hopfield", bool),
        (EmbedJob, "dataset.nothing", None),
        (EmbedJob, "root.more", None),
        (EmbedJob, "nothing.at.all", None),
    ],
)
def test_the_type_at_a_path(schema: type, path: str, kind: object) -> None:
    assert field_type(schema, path) == kind


def test_the_names_at_a_path_are_those_of_the_nearest_group() -> None:
    assert names_at(AnalyzeJob, "analysis.umap") == list(UmapConfig.__dataclass_fields__)
    assert names_at(EmbedJob, "dataset.toy") == list(ToyConfig.__dataclass_fields__)
    assert names_at(EmbedJob, "") == list(EmbedJob.__dataclass_fields__)
    assert names_at(EmbedJob, "root.more") == list(EmbedJob.__dataclass_fields__)
    assert names_at(PaperJob, "arms.one") == ["loss", "hopfield"]


def test_unions_are_divided_and_groups_found_in_them() -> None:
    assert alternatives(str | None) == (str, type(None))
    assert alternatives(list[str]) == (list[str],)
    assert group_of(ToyConfig | None) is ToyConfig
    assert group_of(dict[str, str]) == dict[str, str]
    assert group_of(str | None) is None


def test_what_lies_in_a_mapping_has_an_open_name() -> None:
    assert all(in_mapping(PaperJob, path) for path in ("arms.one", "arms.one.loss", "report.models.clip", "shards.my-set"))
    assert not any(in_mapping(PaperJob, path) for path in ("arms", "report.models", "report.failures", "root", "nothing.at.all"))
