"""`experiment=paper`, whole, on stand-ins: files of the formats and presets of the names that it has, tiny models and drawn pictures."""

import json
import re
from pathlib import Path

import pytest
from text_pairs import small_carp, story, write_lines
from typed import typed

from tda.config.datasets import ToyConfig
from tda.toyworld import write_toy

pytestmark = pytest.mark.long

ARMS = ("rn50_infonce", "rn50_infonce_hopfield", "rn50_infoloob", "rn50_infoloob_hopfield")
VIT = ("clip_vitb16_laion400m", "cloob_vitb16_laion400m", "clip_vitb16_openai")
FILES = {  # preset -> format, weights, configuration
    "clip_vitb16_laion400m": ("open_clip", "openclip_vit_tiny.safetensors", "openclip_vit_tiny.json"),
    "cloob_vitb16_laion400m": ("cloob_laion", "cloob_laion_tiny.pkl", "cloob_laion_tiny.json"),
    "clip_vitb16_openai": ("openai", "openai_vit_tiny_jit_fp16.pt", None),
    **dict.fromkeys(ARMS, ("cloob_official", "cloob_rn_tiny.pt", "cloob_rn_tiny.json")),
}
PAIRS = 48


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, shared_golden: Path) -> Path:
    """Presets, shards of the three data sets, and stories."""
    folder = tmp_path_factory.mktemp("files")
    presets = folder / "presets" / "encoder"
    presets.mkdir(parents=True)
    for name, (kind, weights, config) in FILES.items():
        lines = [f"name: {name}", f"format: {kind}", f"checkpoint: {shared_golden / weights}"]
        (presets / f"{name}.yaml").write_text("\n".join([*lines, *([f"config: {shared_golden / config}"] if config else [])]))
    carp = {"name": "carp_l", **small_carp(folder / "carp")}
    (presets / "carp_l.yaml").write_text("\n".join(f"{key}: {value}" for key, value in carp.items()))
    (folder / "stories").mkdir()
    write_lines(folder / "stories" / "00000.jsonl", [story(number) for number in range(PAIRS)])
    train = ToyConfig(pairs=PAIRS, pairs_per_shard=PAIRS, seed=0)
    write_toy(train, str(folder / "laion400m"))
    write_toy(ToyConfig(pairs=PAIRS, pairs_per_shard=PAIRS, seed=1, duplicates=5, duplicates_of=train), str(folder / "laion2b"))
    write_toy(ToyConfig(pairs=PAIRS, pairs_per_shard=PAIRS, seed=2, style="shifted"), str(folder / "coco"))
    return folder


def test_one_command_makes_every_model_and_data_set_of_the_paper(files: Path, tmp_path: Path) -> None:
    shards = [f"shards.{name}={files / name}/*.tar" for name in ("laion2b", "laion400m", "coco")]
    shards.append(f"shards.stories={files / 'stories'}/*.jsonl")
    small = ["dedupe.threshold=1.0", "dedupe.max_drop_fraction=1", "sweep.n_neighbors=[5]", "sweep.min_dist=[0.1]"]
    small += [
        "analysis.homology.landmarks=20",
        "analysis.compare.draws=2",
        "analysis.interventions.draws=100",
        "analysis.gap_measures.draws=19",
    ]
    command = ["--config-dir", str(files / "presets"), "experiment=paper", f"root={tmp_path / 'root'}", *shards, *small]
    done = typed("paper", *command)
    assert done.returncode == 0, done.stderr[-2000:]
    made = sorted(str(path.parent.relative_to(tmp_path / "root" / "analysis")) for path in (tmp_path / "root").rglob("metrics.json"))
    assert made == sorted(
        [*(f"laion2b-minus-laion400m/{name}" for name in VIT), *(f"coco/{name}" for name in (*VIT, *ARMS)), "stories/carp_l"]
    )
    page = (tmp_path / "root" / "report" / "index.html").read_text()
    figures = set(re.findall(r'<figure class="[a-z]+" id="(fig\d\d)"', page))
    assert {"fig01", "fig02", "fig03", "fig04", "fig05", "fig06", "fig07", "fig08", "fig10"} <= figures
    joined = sorted(path.name for path in (tmp_path / "root" / "nearest" / "coco").iterdir())
    assert joined == sorted(VIT), "arms of other training data are not compared with LAION-400M"
    metrics = json.loads((tmp_path / "root/analysis/coco/rn50_infonce/metrics.json").read_text())
    assert metrics["separability"]["transfer"] == {}, "it sees no other data set"
