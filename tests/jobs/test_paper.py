"""The whole pipeline as a user runs it, on a world of their own in a folder of their own; killed, and run again."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typed import typed

from tda.config.stages import RULES
from tda.toyworld import KINDS

DATASETS = {
    "tiny_train": "toy: {pairs: 160, pairs_per_shard: 80, seed: 1}",
    "tiny_seen": (
        "toy: {pairs: 120, pairs_per_shard: 30, seed: 2, duplicates: 10, duplicates_of: {pairs: 160, pairs_per_shard: 80, seed: 1}}"
    ),
    "tiny_strange": "toy: {pairs: 80, pairs_per_shard: 40, seed: 3, style: shifted}",
}
OF_A_RUN = ("log.jsonl", "log.previous.jsonl", "progress.json")
ENCODERS = ("tiny_infonce", "tiny_infoloob")
EXPERIMENT = """# @package _global_
train_dataset: tiny_train
arms:
  tiny_infonce: {loss: infonce, hopfield: false}
  tiny_infoloob: {loss: infoloob, hopfield: true}
datasets: [tiny_seen-minus-tiny_train, tiny_strange]
reference: tiny_train
encoders: [tiny_infonce, tiny_infoloob]
dedupe: {rule: both, threshold: 1.0, by: tiny_infonce} # models that have learnt nothing yet see everything alike
train: {steps: 4, batch_size: 16, warmup_steps: 1, checkpoint_every: 2}
report: {models: {tiny_infonce: CLIP, tiny_infoloob: CLOOB}, datasets: {tiny_seen-minus-tiny_train: LAION, tiny_strange: COCO}}
"""


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own folder of configuration."""
    folder = tmp_path_factory.mktemp("conf")
    for name, toy in DATASETS.items():
        file = folder / "dataset" / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"name: {name}\nshards: ${{root}}/shards/{name}/*.tar\n{toy}\n")
    for name in ENCODERS:
        file = folder / "encoder" / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"name: {name}\nconfig: pkg://conf/model/toy.json\ncheckpoint: ${{root}}/models/{name}/model.pt\n")
    (folder / "experiment").mkdir()
    (folder / "experiment" / "tiny.yaml").write_text(EXPERIMENT)
    return folder


def _words(presets: Path, root: Path, *overrides: str) -> list[str]:
    return [f"--config-dir={presets}", "experiment=tiny", f"root={root}", *overrides]


def _files(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with the time of its last change and its bytes, but what each run writes about itself."""
    files = (file for file in sorted(root.rglob("*")) if file.is_file() and file.name not in OF_A_RUN)
    return {str(file.relative_to(root)): (file.stat().st_mtime_ns, file.read_bytes()) for file in files}


@pytest.fixture(scope="module")
def unbroken(presets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("unbroken") / "root"
    command = [sys.executable, "-m", "jobs.paper", *_words(presets, root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=presets)
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().splitlines()[-1]
    assert last.endswith("report/index.html")
    for name in (*ENCODERS, "tiny_seen-minus-tiny_train", "tiny_strange"):
        assert name in done.stdout
    return root


def test_every_stage_left_its_work(unbroken: Path) -> None:
    made = [json.loads((unbroken / f"dedupe/tiny_seen/{encoder}/tiny_train/summary.json").read_text()) for encoder in ENCODERS]
    (kept,) = {summary["rows_kept"] for summary in made}  # one encoder decides for both
    assert kept <= 120 - 4
    assert made[0]["dropped"]["caption"] >= 4  # copies of the same bytes, and those encoded again, have their caption and size
    other = {"tiny_seen-minus-tiny_train": "tiny_strange", "tiny_strange": "tiny_seen-minus-tiny_train"}
    for dataset, pairs in (("tiny_seen-minus-tiny_train", kept), ("tiny_strange", 80)):
        for encoder in ENCODERS:
            metrics = json.loads((unbroken / "analysis" / dataset / encoder / "metrics.json").read_text())
            assert (metrics["schema"], metrics["pairs"], metrics["dataset"], metrics["encoder"]) == (1, pairs, dataset, encoder)
            assert 0 <= metrics["separability"]["transfer"][other[dataset]]["accuracy"] <= 1
    page = (unbroken / "report" / "index.html").read_text()
    assert all(name in page for name in ENCODERS)
    assert "by the closest image of tiny_train" in page
    assert f"tiny_seen keeps {kept} of 120 pairs" in page


def test_planted_copies_are_reported(unbroken: Path) -> None:
    found = pq.read_table(unbroken / "dedupe/tiny_seen/tiny_infonce/tiny_train/evaluation.parquet").to_pylist()
    decided = {row["kind"]: row for row in found if row["rule"] == "decided"}
    assert {kind: decided[kind]["planted"] for kind in decided} == {"": 10, **dict.fromkeys(KINDS, 2)}
    assert decided["exact"]["recall"] == decided["reencoded"]["recall"] == 1
    for rule in RULES:
        recall = [row["recall"] for row in found if row["rule"] == rule and row["kind"] == ""]
        assert len(recall) == 10
        assert recall == sorted(recall, reverse=True)
    assert (unbroken / "report" / "repeats.csv").read_text().startswith("Data set,Rule and threshold,Recall: ")
    assert not (unbroken / "dedupe/tiny_seen/tiny_infoloob/tiny_train/evaluation.parquet").exists()


def test_closest_pairs_can_be_judged_by_eye(unbroken: Path) -> None:
    sheets = sorted(path.name for path in (unbroken / "report/contact").glob("*-image.html"))
    assert sheets == [f"{name}-tiny_infonce-tiny_train-image.html" for name in ("tiny_seen-minus-tiny_train", "tiny_seen", "tiny_strange")]


def test_run_again_does_nothing(presets: Path, unbroken: Path) -> None:
    before = _files(unbroken)
    done = typed("paper", *_words(presets, unbroken), cwd=presets)
    assert done.returncode == 0, done.stderr
    assert _files(unbroken) == before


def _killed(words: list[str], presets: Path, root: Path, appears: str) -> None:
    """Run it, on the Ray that tests share, until a file of this pattern is there."""
    import ray

    command = [sys.executable, "-m", "jobs.paper", *words, f"cluster.address={ray.get_runtime_context().gcs_address}"]
    driver = subprocess.Popen(command, cwd=presets, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(root.glob(appears)) and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert list(root.glob(appears))
    assert not (root / "report" / "index.html").exists(), "it was killed too late to show anything"


@pytest.mark.long
@pytest.mark.usefixtures("ray_cluster")
def test_killed_twice_and_run_again_gives_the_same(presets: Path, unbroken: Path, tmp_path: Path) -> None:
    # one arm is what it is beside others, and one actor embeds what two do
    alone = ["encoders=[tiny_infonce]", "~arms.tiny_infoloob", "analysis.parts=[gap]", "cluster.actors=1"]
    words = _words(presets, root := tmp_path / "root", *alone)
    _killed(words, presets, root, "models/tiny_infonce/step_*.pt")
    _killed(words, presets, root, "embeddings/tiny_seen/*/_records/*.json")
    # its actors outlive it by a moment, with files that come and go: only records are sure to stay
    recorded = {str(file.relative_to(root)): file.stat().st_mtime_ns for file in root.glob("embeddings/*/*/_records/*.json")}
    done = typed("paper", *words, cwd=presets)
    assert done.returncode == 0, done.stderr
    after, whole = _files(root), _files(unbroken)
    assert {name: after[name][0] for name in recorded} == recorded, "a recorded shard was done twice"
    vectors = [name for name in whole if re.fullmatch(r"embeddings/.*/tiny_infonce/.*\.parquet", name)]
    assert len(vectors) == 4 + 2 + 2
    for name in vectors:
        assert after[name][1] == whole[name][1]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["experiment=tyni"], "experiment=tyni is unknown; choose one of: "),
        (["datasets=[]"], "datasets=[] leaves nothing to do"),
        (["encoders=[tiny_infonce]"], "arms tiny_infoloob are not among encoders"),
        (["datasets=[coco]"], "dataset coco has no shards: give shards.coco="),
        (["datasets=[moon]"], "dataset=moon is unknown; choose one of: "),
        (["datasets=[tiny_seen-minus-moon]"], "dataset=moon is unknown; choose one of: "),
        (["dedupe.by=nobody"], "dedupe.by=nobody is not among encoders"),
    ],
)
def test_mistakes(presets: Path, tmp_path: Path, overrides: list[str], message: str) -> None:
    done = typed("paper", *_words(presets, tmp_path / "root", *overrides), cwd=presets)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert not (tmp_path / "root").exists(), "a mistake costs no work"
