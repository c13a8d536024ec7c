"""Which stage of an experiment sees which data sets by which encoders: its jobs are counted, and nothing runs."""

from collections import Counter
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from jobs import paper
from jobs.experiment import summary
from jobs.experiment.datasets_and_encoders import encoder_of
from jobs.runtime.app import Outcome
from tda.config.jobs import PaperJob

VIT = ["clip_vitb16_laion400m", "cloob_vitb16_laion400m", "clip_vitb16_openai"]
ARMS = ["rn50_infonce", "rn50_infonce_hopfield", "rn50_infoloob", "rn50_infoloob_hopfield"]
SHARDS = [f"shards.{name}=/data/{name}/*.tar" for name in ("laion2b", "laion400m", "coco")]


def composed(*words: str) -> PaperJob:
    with initialize_config_module("conf", version_base="1.3"):
        found: PaperJob = OmegaConf.to_object(compose("paper", [*words, "root=r"]))  # type: ignore[assignment]  # its schema
    return found


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What every stage was asked to do."""
    made: list[tuple[Any, ...]] = []

    def note(stage: str, result: Any) -> Any:
        def called(*arguments: Any, **_: Any) -> Any:
            made.append((stage, *arguments))
            return result(*arguments)

        return called

    one = Outcome(whole=True, line="", places=[])
    monkeypatch.setattr(paper, "embed_sets", note("embed", lambda _root, datasets, *_: [one for _ in datasets]))
    for stage in ("nearest", "dedupe", "analyze"):
        monkeypatch.setattr(paper, stage, note(stage, lambda *_: one))
    monkeypatch.setattr(paper, "evaluate", note("evaluate", lambda *_: ""))
    monkeypatch.setattr(summary, "compare_encoders", note("compare", lambda *_: {}))
    monkeypatch.setattr(summary, "comparison_line", lambda _: "")
    monkeypatch.setattr(summary, "sweep_cells", lambda one, _: made.append(("sweep", one)) or [{"mixing": 0.5}])
    return made


def stages(job: PaperJob) -> None:
    for stage in (paper._embed, paper._nearest, paper._dedupe, paper._analyze):
        list(stage(job))


def test_the_whole_paper(done: list[tuple[Any, ...]]) -> None:
    job = composed("experiment=paper", *SHARDS, "shards.stories=/data/*.jsonl", "tokenizers.carp_l=/data/roberta")
    paper._check(job)
    stages(job)
    embedded = {tuple(one.name for one in call[3]): [one.name for one in call[2]] for call in done if call[0] == "embed"}
    assert embedded == {tuple(VIT): ["laion2b", "laion400m"], (*VIT, *ARMS): ["coco"], ("carp_l",): ["stories"]}
    joined = [(call[1].dataset.name, call[1].reference.name, call[1].encoder.name) for call in done if call[0] == "nearest"]
    assert joined == [(name, "laion400m", encoder) for name in ("laion2b", "coco") for encoder in VIT]
    assert [call[1].encoder.name for call in done if call[0] == "dedupe"] == VIT
    analysed = [
        (call[1].dataset.name, call[1].encoder.name, call[1].analysis.separability.transfer) for call in done if call[0] == "analyze"
    ]
    view = "laion2b-minus-laion400m"
    assert [one[:2] for one in analysed] == [(view, e) for e in VIT] + [("coco", e) for e in (*VIT, *ARMS)] + [("stories", "carp_l")]
    assert {encoder: transfer for name, encoder, transfer in analysed if name == "coco"} == {
        **{key: [view] for key in VIT}, **{key: [] for key in ARMS}
    }  # fmt: skip
    compared = {call[2]: (call[3], call[4].compare.datasets) for call in done if call[0] == "compare"}
    assert compared == {view: (VIT, ["coco"]), "coco": ([*VIT, *ARMS], []), "stories": (["carp_l"], [])}
    swept = Counter(call[1].dataset.name for call in done if call[0] == "sweep")
    assert swept == {view: 2, "coco": 2}
    assert job.analysis.retrieval.max_pairs == job.analysis.umap.max_pairs == job.analysis.separability.max_pairs == 5000
    assert encoder_of(job, "carp_l").tokenizer == "/data/roberta"


def test_without_under_every_encoder_sees_every_data_set(done: list[tuple[Any, ...]]) -> None:
    job = composed("experiment=toy")
    paper._check(job)
    stages(job)
    (embedded,) = [call for call in done if call[0] == "embed"]
    assert [one.name for one in embedded[2]] == ["toy_heldout", "toy_shifted", "toy_train"]
    assert [one.name for one in embedded[3]] == job.encoders
    count = Counter(call[0] for call in done)
    assert count == {"embed": 1, "nearest": 8, "dedupe": 4, "evaluate": 1, "analyze": 8, "compare": 2, "sweep": 2}


def test_a_lacking_file_is_named_before_any_work() -> None:
    with pytest.raises(Exception, match=r"dataset stories has no shards: give shards\.stories="):
        paper._check(composed("experiment=paper", *SHARDS))
    paper._check(composed("experiment=paper", *SHARDS, f"encoders=[{','.join(VIT)}]", "datasets=[coco]"))
