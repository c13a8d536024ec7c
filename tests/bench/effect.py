"""The effect over seeds: gap and retrieval of the four toy arms on toy_heldout, by the jobs that `make run` runs.

python tests/bench/effect.py --seeds 0 1 2
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from jobs.analyze import run as analyze
from jobs.embed import embed
from jobs.runtime.presets import load_choice
from jobs.runtime.session import shared_ray
from jobs.train import train_arms
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.config.jobs import AnalyzeJob, TrainJob
from tda.config.models import TrainConfig
from tda.config.stages import EmbedConfig

ARMS = {
    "toy_infonce": ("infonce", False),
    "toy_infonce_hopfield": ("infonce", True),
    "toy_infoloob": ("infoloob", False),
    "toy_cloob": ("infoloob", True),
}
PARTS = ["gap", "cosine", "separability", "retrieval", "spectrum"]


def measure(root: str, seed: int, steps: int) -> dict[str, dict[str, float]]:
    """Numbers of every arm, by encoder."""
    train, heldout = (load_choice("dataset", name, root) for name in ("toy_train", "toy_heldout"))
    encoders = {name: load_choice("encoder", name, root) for name in ARMS}
    settings, cluster = TrainConfig(seed=seed, steps=steps), ClusterConfig()
    jobs = [
        TrainJob(root=root, loss=loss, hopfield=hopfield, dataset=train, encoder=encoders[name], train=settings, cluster=cluster)
        for name, (loss, hopfield) in ARMS.items()
    ]
    began = time.perf_counter()
    outcomes = train_arms(jobs)
    assert all(outcome.whole for outcome in outcomes), outcomes
    print(f"seed {seed}: four arms trained in {time.perf_counter() - began:.0f} s", flush=True)
    assert embed(root, heldout, list(encoders.values()), EmbedConfig(), cluster).whole
    found = {}
    for name, encoder in encoders.items():
        analyze(AnalyzeJob(root=root, dataset=heldout, encoder=encoder, analysis=AnalysisConfig(parts=PARTS), cluster=cluster))
        found[name] = numbers(json.loads(Path(root, "analysis", "toy_heldout", name, "metrics.json").read_text()))
    return found


def numbers(metrics: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    return {
        "top-1 i2t": metrics["retrieval"]["image_to_text"]["top1"],
        "top-1 t2i": metrics["retrieval"]["text_to_image"]["top1"],
        "gap": float(metrics["gap"]["centroid_distance"]),  # type: ignore[arg-type]
        "random cosine": metrics["cosine"]["random"]["mean"],
        "SVM held out": metrics["separability"]["heldout"]["accuracy"],
        "eff. rank image": metrics["spectrum"]["image"]["effective_rank"],
        "eff. rank text": metrics["spectrum"]["text"]["effective_rank"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=TrainConfig().steps)
    options = parser.parse_args()
    with shared_ray():
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as root:
                found = measure(root, seed, options.steps)
            print("| arm | " + " | ".join(found["toy_cloob"]) + " |")
            for name, row in found.items():
                print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in row.values()) + " |")
            for plain, other in (("toy_infonce", "toy_infoloob"), ("toy_infonce_hopfield", "toy_cloob")):
                print(f"gap of {other} / gap of {plain}: {found[other]['gap'] / found[plain]['gap']:.2f}", flush=True)


if __name__ == "__main__":
    main()
