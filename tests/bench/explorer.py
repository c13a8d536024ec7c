"""The explorer on software rendering: milliseconds a frame while turning, and milliseconds to interactive, in headless Chromium.

Target: 33 ms a frame (30 frames a second) at 20,000 points, one pane of 800 x 800. Run: python tests/bench/explorer.py [points ...]
"""

import shutil
import statistics
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from tda.report.explorer.payload import packed, script

FRAMES, TARGET_POINTS, TARGET_MS = 60, 20_000, 33.0
CLUSTERS = 40
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu"]
TURN = """frames => { const pane = lacuna.app.panes[0], taken = [];
  for (let i = 0; i < frames; i++) {
    lacuna.state.turn = lacuna.turning.turned(lacuna.state.turn, 0.05, 0.02);
    const began = performance.now(); pane.draw(); taken.push(performance.now() - began);
  }
  return taken; }"""


def main(*points: int) -> int:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("explorer: no Chromium on this machine, nothing measured")
        return 0
    from playwright.sync_api import sync_playwright

    met = True
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for count in points or (TARGET_POINTS, 100_000, 200_000):
            plant(Path(folder), count // 2)
            found = measured(browser, Path(folder) / "explore.html")
            print(f"{count:>8,} points: " + ", ".join(f"{name} {value:.0f} ms" for name, value in found.items()))
            met &= count != TARGET_POINTS or found["a frame"] <= TARGET_MS
        browser.close()
    print(f"explorer: {TARGET_MS:.0f} ms a frame at {TARGET_POINTS:,} points: {'met' if met else 'NOT MET'}")
    return 0 if met else 1


def measured(browser: Any, page_file: Path) -> dict[str, float]:
    """Medians over turns in a window whose pane is about 800 x 800; density and pair lines apart."""
    page = browser.new_page(viewport={"width": 1500, "height": 880})
    page.goto(page_file.as_uri())
    page.wait_for_selector("body[data-ready]")
    interactive = page.evaluate("performance.now()")
    plain = statistics.median(page.evaluate(TURN, FRAMES))
    page.evaluate("lacuna.set({ density: true, lines: true })")
    whole = statistics.median(page.evaluate(TURN, FRAMES))
    page.close()
    return {"interactive after": interactive, "a frame": plain, "with density and pair lines": whole}


def plant(folder: Path, pairs: int) -> None:
    """The files of an explorer with one model of so many pairs, in clusters on the sphere."""
    rng = np.random.default_rng(0)
    label_P = rng.integers(0, CLUSTERS, pairs)
    place_2P3 = rng.standard_normal((CLUSTERS, 3))[label_P] + 0.3 * rng.standard_normal((2, pairs, 3))
    place_2P3 /= np.linalg.norm(place_2P3, axis=-1, keepdims=True)
    data = folder / "explore"
    data.mkdir(exist_ok=True)
    for item in resources.files("tda.report.explorer").joinpath("web").iterdir():
        ((data if item.name != "explore.html" else folder) / item.name).write_bytes(item.read_bytes())
    sprites = {"side": 0, "columns": 0, "rows": 0, "sheets": []}
    dataset = {
        "name": "bench",
        "file": "dataset-0",
        "pairs": pairs,
        "held": pairs,
        "all": pairs,
        "modalities": ["image", "text"],
        "captions": True,
    }
    model = {
        "dataset": 0,
        "role": "",
        "file": "model-0",
        "encoder": "bench",
        "pairs": pairs,
        "all": pairs,
        "clusters": 0,
        "gap": 0.2,
        "top1": 0.5,
    }
    index = {
        "datasets": [{**dataset, "sprites": sprites, "pictured": 0, "gone": [], "gone_more": 0}],
        "models": [{**model, "has": ["cosine", "label", "rank", "sphere"], "track": "", "step": None}],
        "notes": [],
    }
    where = {"shard": packed(np.ones(pairs), "i4"), "ordinal": packed(np.arange(pairs), "i4"), "picture": packed(np.full(pairs, -1), "i4")}
    texts = {
        "keys": [f"{pair:09}" for pair in range(pairs)],
        "captions": [f"a picture of thing {pair} of kind {label_P[pair]}" for pair in range(pairs)],
    }
    numbers = {"label": packed(np.tile(label_P, 2), "i4"), "rank": packed(rng.integers(1, 100, (2, pairs)), "i4")}
    content = {"place": {"sphere": packed(place_2P3, "f4")}, "number": {"cosine": packed(rng.random(pairs), "f4")}, "index": numbers}
    whole = {**content, "matches": 0, "clusters": [], "worst": [], "references": [], "density": None}
    for name, value in (("index", index), ("dataset-0", {"shards": ["", "00000"], **where, **texts}), ("model-0", whole)):
        (data / f"{name}.js").write_bytes(script(name, value))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
