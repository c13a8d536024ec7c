"""jobs.diversity: generated images and a drawn world, from recorded rows to verdicts, `diversity.json` and the report."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted_generated import plant_generated, record, samples
from typed import typed

from jobs.diversity import run
from jobs.guidance.generated import sample_of
from tda.config.datasets import DatasetConfig, ToyConfig
from tda.config.diversity import DiversityConfig
from tda.config.jobs import DiversityJob
from tda.config.stages import ReportConfig
from tda.errors import UserError
from tda.geometry.diversity.scores import drawn_scores, pool_scores, tilted
from tda.report.data.load import load_run
from tda.report.topics.registry import headlines, tables
from tda.store.documents import seal_holds
from tda.store.tables import publish_table
from tda.toyattributes import fidelity, scene_rows
from tda.toyworld import scenes_of, toy_pair

ARMS = {"clip": [1.0, 2.0, 4.0], "cloob": [0.5, 1.0, 2.0]}
JUDGES: dict[str, Any] = {"measure": "judge", "fidelity": "other", "clip": "clip", "cloob": "cloob", "draws": 400, "levels": 3}


def follows(arm: str, strength: float) -> float:
    """CLOOB follows its prompt as well at half the strength."""
    return 0.3 + 0.15 * strength * (2 if arm == "cloob" else 1)


def job(root: Path, dataset: str = "generated", encoders: list[str] | None = None, **config: Any) -> DiversityJob:
    return DiversityJob(
        root=str(root), dataset=DatasetConfig(name=dataset), encoders=encoders or [], diversity=DiversityConfig(**{**JUDGES, **config})
    )


def made(root: Path, dataset: str = "generated") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "analysis" / dataset / "diversity.json").read_text())
    return found


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(("bonus", "expected"), [(0.0, {"undecided", "not supported"}), (0.35, {"supported"})])
def test_generated_images_are_compared_where_they_follow_equally_well(tmp_path: Path, bonus: float, expected: set[str]) -> None:
    root = tmp_path / "root"

    def apart(arm: str, strength: float) -> float:
        return 1.4 - follows(arm, strength) + (bonus if arm == "cloob" else 0.0)

    plant_generated(root, samples(52, ARMS, 4), apart, follows)
    outcome = run(job(root))
    found = made(root)
    assert (outcome.whole, outcome.places) == (True, [str(root / "analysis/generated/diversity.json")])
    assert seal_holds(found) is True
    assert (found["kind"], found["prompts"], found["images"], found["notes"]) == ("generated", 52, 4, [])
    assert found["conjecture_2"]["verdict"] in expected
    assert found["matched"]["clip"]["strength"] == pytest.approx([2 * one for one in found["matched"]["cloob"]["strength"]], rel=0.1)
    assert found["curves"]["clip"]["fidelity"] == pytest.approx([follows("clip", one) for one in ARMS["clip"]], abs=0.02)
    assert (found["conjecture_1"]["verdict"], "no clusters here" in found["conjecture_1"]["reason"]) == ("refused", True)
    before = (root / "analysis/generated/diversity.json").stat().st_mtime_ns
    run(job(root))
    assert (root / "analysis/generated/diversity.json").stat().st_mtime_ns == before, "the same rows and settings are kept"
    report = load_run(str(root), ReportConfig())
    assert [table.name for table in tables(report)] == ["diversity"]
    assert "Conjecture 2" in headlines(report)["Conjectures"][0]


@pytest.mark.usefixtures("ray_cluster")
def test_what_lacks_a_label_an_arm_or_a_strength_is_left_out_with_a_note(tmp_path: Path) -> None:
    root, found = tmp_path / "root", samples(14, ARMS, 3)
    found = [one for one in found if not (one["prompt"].endswith("kind 3") and one["arm"] == "clip" and one["strength"] == 2.0)]
    sides = [one if place else {**one, "seed": "x"} for place, one in enumerate(found)]
    plant_generated(root, sides, lambda *_: 0.5, follows)
    run(job(root))
    noted = made(root)
    assert (noted["prompts"], noted["images"]) == (13, 2)
    assert noted["notes"] == [
        "1 prompts lack an arm or a strength, and are left out",
        "1 images have no JSON with prompt, arm, strength, seed, and are left out",
    ]
    assert noted["conjecture_2"]["verdict"] == "undecidable"
    assert "clusters of prompts are too few" in noted["conjecture_2"]["reason"]


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"measure": None}, "diversity.measure and diversity.fidelity are missing"),
        ({"measure": "other"}, "are both other"),
        ({"guides": {"clip": "judge"}}, "judge is a guide"),
        ({"clip": "nobody"}, r"diversity.clip=nobody is no arm; there are clip, cloob"),
    ],
)
def test_judges_have_to_be_independent_and_roles_known(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    plant_generated(tmp_path / "root", samples(4, ARMS, 2), lambda *_: 0.5, follows)
    with pytest.raises(UserError, match=message):
        run(job(tmp_path / "root", **changed))


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ({"clip": [1.0, 2.0]}, "holds images of 1 arms"),
        ({"clip": [1.0, 2.0], "cloob": [1.0]}, r"different numbers of strengths.*clip 2, cloob 1"),
    ],
)
def test_one_arm_or_unequal_strengths_are_refused(tmp_path: Path, arms: dict[str, list[float]], message: str) -> None:
    plant_generated(tmp_path / "root", samples(4, arms, 2), lambda *_: 0.5, lambda *_: 0.5)
    with pytest.raises(UserError, match=message):
        run(job(tmp_path / "root"))


@pytest.mark.parametrize(
    "content",
    [{}, {"prompt": "p", "arm": "a", "strength": "1", "seed": 1}, {"prompt": "", "arm": "a", "strength": 1, "seed": 1},
     {"prompt": "p", "arm": "a", "strength": True, "seed": 1}, {"prompt": "p", "arm": "a", "strength": float("nan"), "seed": 1},
     {"prompt": "p", "arm": 3, "strength": 1, "seed": 1}],
)  # fmt: skip
def test_a_label_that_says_not_enough_is_none(content: dict[str, Any]) -> None:
    assert sample_of(content) is None


TOY = ToyConfig(pairs=240, pairs_per_shard=240, seed=5)


def plant_world(root: Path) -> tuple[list[Any], list[str]]:
    """A drawn world under two arms: both see what is said and shown, the second less of it."""
    scenes, captions = scenes_of(TOY, range(240)), [toy_pair(TOY, index).caption for index in range(240)]
    rng = np.random.default_rng(0)
    shown, words = scene_rows(scenes, "plain"), fidelity(captions, scenes, "plain")
    image = words.T @ np.eye(240)
    for arm, noise in (("toy_infonce", 0.02), ("toy_cloob", 0.2)):
        mixed = image + noise * rng.standard_normal(image.shape)
        record(root, ("world", arm), root / "none.tar", captions, (mixed, np.eye(240) + 0.05))
        label = np.arange(240) % 12
        table = {
            "modality": np.repeat(["image", "text"], 240),
            "row": np.tile(np.arange(240), 2),
            "label": np.tile(label, 2),
            "probability": np.ones(480),
        }
        publish_table(str(root / "analysis" / "world" / arm / "clusters.parquet"), table, "h")
    assert shown.shape[0] == 240
    return scenes, captions


@pytest.mark.usefixtures("ray_cluster")
def test_a_drawn_world_is_tilted_exactly(tmp_path: Path) -> None:
    root = tmp_path / "root"
    scenes, captions = plant_world(root)
    asked = job(root, "world", ["toy_infonce", "toy_cloob"], clip=None, cloob=None, prompts=60, rows=8)
    asked = replace(
        asked, dataset=replace(asked.dataset, toy=TOY), report=ReportConfig(models={"toy_infonce": "CLIP", "toy_cloob": "CLOOB"})
    )
    assert run(asked).whole
    found = made(root, "world")
    assert (found["kind"], found["prompts"], found["images"]) == ("tilt", 60, 240)
    curves = found["curves"]
    assert curves["toy_infonce"]["fidelity"] == pytest.approx(curves["toy_cloob"]["fidelity"], abs=1e-6), "strengths of equal fidelity"
    assert found["levels"] == pytest.approx(curves["toy_cloob"]["fidelity"][1:-1], abs=1e-6)
    from tda.store.datasets.embedding_set import EmbeddingSet

    one = EmbeddingSet(str(root), "world", "toy_cloob")
    chosen = np.sort(np.random.default_rng(0).choice(240, 60, replace=False, shuffle=False))
    cosine = one.text().astype(float)[chosen] @ one.image().astype(float).T
    weight = tilted(cosine, curves["toy_cloob"]["strength"][2])
    assert (weight * fidelity([captions[row] for row in chosen], scenes, "plain")).sum(axis=1).mean() == pytest.approx(
        curves["toy_cloob"]["fidelity"][2], abs=1e-5
    )
    expected = pool_scores(scene_rows(scenes, "plain"), weight, 0.9)
    assert curves["toy_cloob"]["vendi"][2] == pytest.approx(expected["vendi"].mean(), rel=1e-5)
    assert found["conjecture_1"]["verdict"] == "refused"
    assert "12 clusters" in found["conjecture_1"]["reason"]
    assert (found["conjecture_2"]["clip"], found["conjecture_2"]["cloob"]) == ("toy_infonce", "toy_cloob")


@pytest.mark.usefixtures("ray_cluster")
def test_a_lone_guide_has_no_rival(tmp_path: Path) -> None:
    plant_world(tmp_path / "root")
    asked = job(tmp_path / "root", "world", ["toy_infonce"])
    with pytest.raises(UserError, match="name two guides or more"):
        run(replace(asked, dataset=replace(asked.dataset, toy=TOY)))


def test_as_it_is_typed(tmp_path: Path) -> None:
    done = typed("diversity", "dataset.name=generated", f"root={tmp_path}")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_more_images_of_a_prompt_do_not_change_what_is_compared() -> None:
    """Distances of few images are unbiased: the mean over many small draws is that of all."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 8)) + 0.5
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    small = np.mean([drawn_scores(x[rng.choice(200, 4, replace=False)], 0.5)["distance"] for _ in range(3000)])
    assert small == pytest.approx(drawn_scores(x, 0.5)["distance"], rel=0.01)


@pytest.mark.parametrize("guides", ["clip", {"clip": 3}, ["clip"]])
def test_guides_name_an_encoder_of_each_arm(guides: Any) -> None:
    with pytest.raises(UserError, match=r"diversity\.guides=.*must name the encoder that guided each arm"):
        DiversityConfig(guides=guides)


def test_the_weakest_guidance_is_below_the_strongest() -> None:
    with pytest.raises(UserError, match=r"diversity\.weakest=40 must be below diversity\.strongest=40"):
        DiversityConfig(weakest=40.0)
