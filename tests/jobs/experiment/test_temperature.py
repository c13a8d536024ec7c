"""`experiment=temperature` on a world of a few pairs: two temperatures and two seeds, from training to the report."""

import json
from pathlib import Path
from typing import Any

import pytest
from typed import typed

from tda.config.models import INV_TAU

WORLD = {"tiny_train": "{pairs: 64, pairs_per_shard: 64, seed: 1}", "tiny_heldout": "{pairs: 40, pairs_per_shard: 40, seed: 3}"}
ARMS = ("toy_infonce", "toy_infonce_hopfield", "toy_infoloob", "toy_cloob")
SETTINGS = ["train.steps=4", "train.batch_size=16", "train.warmup_steps=1", "analysis.parts=[gap,retrieval,spectrum]"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> Path:
    del ray_cluster
    folder = tmp_path_factory.mktemp("temperature")
    (folder / "conf/dataset").mkdir(parents=True)
    for name, toy in WORLD.items():
        (folder / f"conf/dataset/{name}.yaml").write_text(f"name: {name}\nshards: ${{root}}/shards/{name}/*.tar\ntoy: {toy}\n")
    sweep = [f"--config-dir={folder / 'conf'}", "-m", "experiment=temperature", "train_dataset=tiny_train", "datasets=[tiny_heldout]"]
    done = typed("paper", *sweep, f"root={folder / 'root'}", *SETTINGS, "train.inv_tau=30,100", "train.seed=0,1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "4 of 4 whole"
    return folder / "root"


def sweep_of(root: Path) -> dict[str, Any]:
    (file,) = (root / "sweeps").glob("*/sweep.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.mark.long
def test_each_cell_has_the_models_of_its_temperature(root: Path) -> None:
    cells = sweep_of(root)["cells"]
    assert [tuple(cell["values"].values()) for cell in cells] == [(30, 0), (30, 1), (100, 0), (100, 1)]
    for cell in cells:
        for arm in ARMS:
            training = json.loads((Path(cell["root"]) / f"models/{arm}/model.json").read_text())["training"]
            assert (training["inv_tau"], training["seed"]) == tuple(cell["values"].values())
            metrics = json.loads((Path(cell["root"]) / f"analysis/tiny_heldout/{arm}/metrics.json").read_text())
            assert cell["numbers"][f"tiny_heldout.{arm}.gap.centroid_distance"] == metrics["gap"]["centroid_distance"]
    assert len({cell["numbers"]["tiny_heldout.toy_infonce.gap.centroid_distance"] for cell in cells}) == 4, "each trained its own"


@pytest.mark.long
def test_the_world_is_drawn_once_for_all_cells(root: Path) -> None:
    assert [file.relative_to(root).parts[:2] for file in root.rglob("*.tar")] == [("shards", "tiny_heldout"), ("shards", "tiny_train")]


@pytest.mark.long
def test_the_report_draws_and_compares_them(root: Path) -> None:
    done = typed("report", f"root={root}")
    assert done.returncode == 0, done.stderr
    page = (root / "report/index.html").read_text()
    assert "On tiny_heldout, at equal temperature the gap of InfoNCE is wider than that of InfoLOOB by" in page
    assert f"at their own temperatures ({INV_TAU['infonce']:g} and {INV_TAU['infoloob']:g})" in page
    assert (root / "report/temperature.csv").read_text().count("\n") == 1 + 4 * 2
