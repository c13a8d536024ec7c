"""The explorer in a real browser, from disk and offline: it draws, turns, hovers, searches, selects, links models, and restores a view."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from explored_root import (
    COLOUR,
    CONFIG,
    HOSTILE,
    PLANTED,
    STRANGE_KEY,
    P,
    caption,
    plant_checkpoints,
    plant_explored,
    plant_reference,
)
from pages import opened
from PIL import Image

from tda.report.data.load import load_run
from tda.report.explorer.explorer import PAGE, build_explorer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser

Explore = Callable[..., "Page"]
FIRST, SECOND = ".pane:nth-child(1) canvas", ".pane:nth-child(2) canvas"
TABS = ("pair", "selection", "clusters", "failures", "models")
PIXELS = """canvas => { const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const counts = {};
  for (let i = 0; i < data.length; i += 4) { const key = `${data[i]},${data[i + 1]},${data[i + 2]}`; counts[key] = (counts[key] ?? 0) + 1; }
  return counts; }"""
SUM = """canvas => { const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0; for (let i = 0; i < data.length; i++) sum = (sum * 31 + data[i]) | 0; return sum; }"""


PINCH = """() => { const canvas = document.querySelector("canvas"), box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};
  for (const [type, pointerId, x] of [["down", 11, 100], ["down", 12, 140], ["move", 12, 180], ["up", 12, 180], ["up", 11, 100]]) {
    const at = { clientX: box.left + x, clientY: box.top + 90 };
    canvas.dispatchEvent(new PointerEvent(`pointer${type}`, { pointerId, pointerType: "touch", button: 0, ...at }));
  } }"""


def _publish(root: str) -> Path:
    built = build_explorer(load_run(root, CONFIG))
    assert built is not None
    file = Path(root) / "report" / PAGE
    file.write_bytes(built.page)
    return file


@pytest.fixture(scope="module")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = plant_explored(tmp_path_factory.mktemp("root"))
    plant_reference(root)
    plant_checkpoints(root)
    return _publish(root)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _publish(plant_explored(tmp_path_factory.mktemp("bare"), models=("clip",), captions=False, layout=False, tars=False))


@pytest.fixture(scope="module")
def shared(browser: "Browser", explorer: Path) -> "Iterator[tuple[Page, list[str]]]":
    context = browser.new_context(offline=True, viewport={"width": 1300, "height": 800}, accept_downloads=True)
    yield opened(context, explorer, own=explorer.parent / "explore")
    context.close()


@pytest.fixture
def explore(shared: "tuple[Page, list[str]]", explorer: Path) -> Iterator[Explore]:
    """Opens the explorer anew with a fragment; at the end nothing must have gone wrong or out."""
    page, wrong = shared

    def open_(fragment: str = "") -> "Page":
        page.goto("about:blank")
        page.goto(explorer.as_uri() + fragment)
        return _ready(page)

    yield open_
    assert wrong == []


def _ready(page: "Page") -> "Page":
    page.wait_for_selector("body[data-ready]")
    _settled(page)
    return page


def _until(page: "Page", expression: str) -> None:
    """Waits without the page's own eval, which its policy forbids."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(25)
    raise AssertionError(expression)


def _settled(page: "Page") -> None:
    _until(page, "lacuna.app.panes.every(pane => !pane.stale || !pane.lane.place)")


def _at(page: "Page", selector: str, x: float = 0.5, y: float = 0.5) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def _ink(page: "Page", selector: str) -> int:
    """Pixels as dark as lines and rings are."""
    return sum(count for colour, count in page.eval_on_selector(selector, PIXELS).items() if max(map(int, colour.split(","))) < 90)


def _saved(page: "Page", kind: str) -> tuple[str, str]:
    with page.expect_download() as download:
        page.click(f'[data-save="{kind}"]')
    return download.value.suggested_filename, Path(download.value.path()).read_text()


def _colour(element: "Locator") -> Any:
    image = Image.open(io.BytesIO(element.screenshot())).convert("RGB")
    return np.array(image.getpixel((image.width // 2, image.height // 2)))


def test_it_draws_points_of_both_modalities_in_both_models(explore: Explore) -> None:
    page = explore()
    assert page.locator(".pane figcaption").all_inner_texts()[0].startswith("clip (CLIP) gap 0.250, top-1")
    for selector in (FIRST, SECOND):
        counts = page.eval_on_selector(selector, PIXELS)
        near = {name: counts.get(colour, 0) for name, colour in (("image", "15,118,184"), ("text", "213,94,0"))}
        assert near["image"] > 5 or near["text"] > 5
    # in the second model every text stands at its image, in front; in the first all texts are behind
    assert page.eval_on_selector(FIRST, PIXELS).get("213,94,0", 0) == 0


def test_it_turns_by_pointer_and_keys_and_draws_each_time(explore: Explore) -> None:
    page = explore()
    before, frames = page.eval_on_selector(FIRST, SUM), page.evaluate("lacuna.app.frames")
    x, y = _at(page, FIRST)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 6):
        page.mouse.move(x + 12 * step, y)
        _settled(page)
    page.mouse.up()
    turned = page.eval_on_selector(FIRST, SUM)
    assert turned != before
    assert page.evaluate("lacuna.app.frames") >= frames + 5
    page.focus(FIRST)
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("+")
    _settled(page)
    assert page.eval_on_selector(FIRST, SUM) != turned
    page.click("#reset")
    _settled(page)
    page.mouse.move(1, 1)
    _settled(page)
    assert page.eval_on_selector(FIRST, SUM) == before


def test_hovering_shows_the_picture_the_caption_and_the_partner(explore: Explore) -> None:
    page = explore()
    page.mouse.move(*_at(page, FIRST))
    card = page.locator(".pane:nth-child(1) .card")
    card.wait_for()
    text = card.inner_text()
    assert caption(PLANTED) in text
    assert re.search(r"Cosine of the pair\s+0\.9", text)
    assert re.search(r"Rank image to text\s+1\b", text)
    assert re.search(r"cluster 1: .*green", text)
    assert re.search(r"Closest in seen\s+1\.000: seen in training", text)
    thumb = card.locator(".thumb")
    _until(page, "document.querySelector('.card .thumb').style.backgroundImage !== ''")
    assert np.abs(_colour(thumb) - COLOUR).max() < 15
    assert page.eval_on_selector(FIRST, "canvas => canvas.toDataURL().length") > 100  # never tainted
    page.mouse.move(1, 1)
    card.wait_for(state="hidden")


def test_the_same_pair_lights_in_each_model(explore: Explore) -> None:
    page = explore()
    before = page.eval_on_selector(SECOND, SUM)
    page.mouse.move(*_at(page, FIRST))
    _settled(page)
    assert page.evaluate("lacuna.app.hovered.pair") == PLANTED
    assert page.eval_on_selector(SECOND, SUM) != before


def test_a_click_pins_a_pair_with_its_great_circle_and_its_neighbours(explore: Explore) -> None:
    page = explore()
    plain = _ink(page, FIRST)
    page.mouse.click(*_at(page, FIRST))
    page.mouse.move(1, 1)
    _settled(page)
    assert _ink(page, FIRST) > plain + 100  # of the circle and its rings
    panel = page.locator("#panel-pair")
    assert panel.locator("h3").inner_text() == caption(PLANTED)
    assert panel.locator("thead").inner_text().split() == ["The", "pair", "clip", "cloob"]
    assert "of 8 as in clip" in panel.inner_text()
    assert panel.locator(".retrieved").count() == 4
    assert panel.locator("li.hit").count() >= 2
    page.evaluate("lacuna.flush()")
    assert f"p={PLANTED}" in page.url


def test_search_lights_and_counts(explore: Explore) -> None:
    page = explore()
    page.fill("#search", "red SQUARE")
    assert page.inner_text("#found") == f"{P // 3} of {P} captions"
    _settled(page)
    levels = page.evaluate("Array.from(lacuna.app.panes[0].levels)")
    assert [levels.count(level) for level in (1, 3)] == [4 * P // 3, 2 * P // 3]
    page.click("#take")
    assert page.inner_text("#selected") == f"{P // 3} pairs selected"
    page.fill("#search", "no such words")
    assert page.inner_text("#found") == f"0 of {P} captions"
    assert page.is_disabled("#take")


@pytest.mark.parametrize("tool", ["lasso", "box"])
def test_what_is_drawn_around_is_selected_and_saved(explore: Explore, tool: str) -> None:
    page = explore(f"#u={tool}")
    x, y = _at(page, FIRST)
    corners = [(-30, -30), (30, -30), (30, 30), (-30, 30)] if tool == "lasso" else [(-30, -30), (30, 30)]
    page.mouse.move(x + corners[0][0], y + corners[0][1])
    page.mouse.down()
    for right, down in corners[1:]:
        page.mouse.move(x + right, y + down, steps=4)
    page.mouse.up()
    assert page.inner_text("#selected") == "1 pair selected"
    assert caption(PLANTED) in page.inner_text("#panel-selection")
    assert _saved(page, "Keys") == ("world-selection.txt", f"00000\t{PLANTED}\n")


def test_saved_tables_hold_strangers_words_as_text(explore: Explore) -> None:
    page = explore(f"#x={np.base_repr(HOSTILE, 36).lower()}.{np.base_repr(31, 36).lower()}&a=selection")
    name, text = _saved(page, "CSV")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert name == "world-selection.csv"
    assert [(row["shard"], row["ordinal"]) for row in rows] == [("00000", str(HOSTILE)), ("00001", "1")]
    assert rows[0]["key"] == f"'{STRANGE_KEY}"
    assert "<img src=x" in rows[0]["caption"]
    assert float(rows[1]["cosine clip"]) > 0.9
    assert rows[1]["cluster of text cloob"] == "1"
    _, text = _saved(page, "JSON")
    saved = json.loads(text)
    assert [pair["key"] for pair in saved["pairs"]] == [STRANGE_KEY, "000031"]
    assert saved["models"] == ["clip", "cloob"]


def test_clusters_are_sorted_filtered_and_lit(explore: Explore) -> None:
    page = explore("#a=clusters")
    rows = page.locator("#panel-clusters tbody tr")
    assert rows.count() == 3
    page.click('[data-sort="top1"]')
    assert [text.split("%")[0].split()[-1] for text in rows.all_inner_texts()] == ["90.0", "70.0", "50.0"]
    page.keyboard.press("Enter")  # the focus is still on the heading
    assert page.locator('th[aria-sort="ascending"]').inner_text().startswith("Top-1")
    assert "blue" in rows.nth(0).inner_text()
    page.fill("#panel-clusters input", "green")
    assert page.inner_text("#clusters-found") == "1 of 3 clusters"
    assert page.evaluate("document.activeElement.type") == "search"
    page.click("button.words")
    _settled(page)
    levels = page.evaluate("Array.from(lacuna.app.panes[0].levels)")
    assert [i % P % 3 for i, level in enumerate(levels) if level == 3] == [1] * (2 * P // 3)
    page.click("text=Select the lit cluster")
    assert page.inner_text("#selected") == f"{P // 3} pairs selected"


def test_failures_show_what_was_found_instead(explore: Explore) -> None:
    page = explore("#m=cloob&a=failures")
    first = page.locator("#panel-failures li").first
    assert re.search(r"rank image to text \d+, text to image \d+", first.inner_text())
    assert "Closest text:" in page.inner_text("#panel-failures")
    pair = int(first.get_attribute("data-pair") or -1)
    first.locator("button").first.click()
    assert page.evaluate("lacuna.state.pinned") == pair


def test_the_slider_moves_points_between_checkpoints(explore: Explore) -> None:
    page = explore("#m=arm&t=0")
    assert page.inner_text("#stepped") == "step 100 of 300"
    places = {}
    for step in ("0", "0.5", "1", "2"):
        page.locator("#step").fill(step)
        _settled(page)
        places[step] = np.array(page.evaluate("Array.from(lacuna.app.lanes[0].place)")).reshape(2, P, 3)
    assert page.inner_text("#stepped") == "step 300 of 300"
    between = places["0"] + places["1"]
    assert np.allclose(places["0.5"], between / np.linalg.norm(between, axis=-1, keepdims=True), atol=1e-5)
    assert 0 < np.linalg.norm(places["2"] - places["0"], axis=-1).mean() < 0.2  # they drift, the random turns are gone
    page.locator("#step").fill("0")
    page.click("#play")
    _until(page, "lacuna.state.step === 2")
    assert page.inner_text("#play") == "Play"


def test_a_fragment_restores_the_whole_view(explore: Explore) -> None:
    page = explore()
    page.evaluate("""() => lacuna.set({ lanes: ["cloob", "clip", "arm"], view: "map", colour: "rank", lines: true, density: true,
        query: "green",
        turn: [0, 0.6, 0, 0.8], zoom: 1.5, pan: [0.1, -0.05], selection: new Set([1, 2, 3, 40]), pinned: 5, cluster: 1, clusterOf: "clip",
        tab: "clusters",
        sort: "top1", filter: "green", step: 1, members: "first", tool: "lasso" })""")
    page.wait_for_selector(".pane:nth-child(3)")
    _settled(page)
    page.evaluate("lacuna.flush()")
    url, drawn = page.url, page.eval_on_selector(FIRST, SUM)
    state = "JSON.stringify({...lacuna.state, selection: [...lacuna.state.selection]})"
    before = page.evaluate(state)
    page = explore(url[url.index("#") :])
    assert json.loads(page.evaluate(state)) == json.loads(before)
    assert page.eval_on_selector(FIRST, SUM) == drawn
    assert page.input_value("#search") == "green"
    assert page.is_visible("#panel-clusters")


@pytest.mark.parametrize(
    "fragment",
    ["#", "#r=a,b,c,d&z=-1&p=99999&x=zz-zzz&k=NaN", "#d=other&m=nobody&v=cube&c=<b>", "#%E0%A4%A&q=%E0%A4%A", "#a=__proto__&s=constructor"],
)
def test_a_broken_fragment_breaks_nothing(explore: Explore, fragment: str) -> None:
    page = explore(fragment)
    assert page.locator(".pane").count() == 2
    assert page.evaluate("Math.hypot(...lacuna.state.turn)") == pytest.approx(1)
    assert page.evaluate("lacuna.state.pinned") == -1


def test_an_address_by_hand_names_data_set_and_models(explore: Explore) -> None:
    page = explore("#dataset=world&models=cloob")
    assert page.evaluate("[lacuna.state.dataset, lacuna.state.lanes.join()]") == ["world", "cloob"]


def test_everything_is_reached_by_keys(explore: Explore) -> None:
    page = explore()
    seen = set()
    for _ in range(45):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.tagName + ':' + (document.activeElement.value ?? '')"))
    wanted = {
        "dataset",
        "INPUT:clip",
        "view",
        "colour",
        "members",
        "tool",
        "lines",
        "density",
        "spin",
        "search",
        "reset",
        "seen",
        "tab-pair",
    }
    assert wanted | {"CANVAS:", "panel-pair"} <= seen
    page.focus(FIRST)
    for key in ("n", "n", "Enter", "s"):
        page.keyboard.press(key)
    assert page.evaluate("[lacuna.state.pinned, [...lacuna.state.selection], lacuna.state.tab]") == [1, [1], "pair"]
    assert page.inner_text("#spoken").startswith(f"Pair 2: {caption(1)}")
    page.keyboard.press("Escape")
    assert page.evaluate("lacuna.state.pinned") == -1
    page.focus("#tab-pair")
    for tab in TABS[1:]:
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.id") == f"tab-{tab}"
        assert page.is_visible(f"#panel-{tab}")


def test_strangers_words_stay_text(explore: Explore) -> None:
    page = explore(f"#p={HOSTILE}&x={np.base_repr(HOSTILE, 36).lower()}&q=onerror")
    for tab in TABS:
        page.click(f"#tab-{tab}")
    page.focus(FIRST)
    page.keyboard.press("n")
    assert page.title() == "Lacuna: explorer"
    assert page.locator("img, b, main script, section script").count() == 0
    page.click("#tab-pair")
    shown = page.inner_text("#panel-pair")
    assert "<img src=x onerror=" in shown
    assert STRANGE_KEY in shown
    assert "\u202e" not in page.evaluate("document.body.textContent")


@pytest.mark.parametrize("view", ["map", "pca"])
def test_other_views_and_density_draw(explore: Explore, view: str) -> None:
    page = explore(f"#v={view}")
    plain = len(page.eval_on_selector(FIRST, PIXELS))
    assert plain > 2
    page.check("#density")
    page.check("#lines")
    _settled(page)
    assert len(page.eval_on_selector(FIRST, PIXELS)) > plain + 20


def test_every_colour_has_its_key(explore: Explore) -> None:
    page = explore()
    names = page.eval_on_selector_all("#colour option", "all => all.map(e => e.value)")
    assert names == ["modality", "cluster", "cosine", "rank", "dimension", "closest", "kept", "shard"]
    keys = set()
    for name in names:
        page.select_option("#colour", name)
        keys.add(page.inner_text("#key"))
    assert len(keys) == len(names)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_finding_of_axe_in_any_panel(browser: "Browser", explorer: Path, scheme: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(offline=True, color_scheme=scheme, reduced_motion="reduce", viewport={"width": 1300, "height": 800})
    page, wrong = opened(context, explorer, own=explorer.parent / "explore")
    page.evaluate("lacuna.set({ pinned: 5, selection: new Set([1, 2]), query: 'green', cluster: 1 })")
    _ready(page)
    for tab in TABS:
        page.click(f"#tab-{tab}")
        found = Axe().run(page, options={"preload": False}).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 384) is (scheme == "dark")
    ground = page.eval_on_selector(FIRST, "canvas => [...canvas.getContext('2d').getImageData(0, 0, 1, 1).data].slice(0, 3)")
    assert ground == [int(part) for part in re.findall(r"\d+", background)[:3]]
    assert wrong == []
    context.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1400])
def test_nothing_sticks_out(explore: Explore, width: int) -> None:
    page = explore(f"#p={HOSTILE}&x=1-9")
    page.set_viewport_size({"width": width, "height": 800})
    for tab in TABS:
        page.click(f"#tab-{tab}")
        assert page.evaluate("document.documentElement.scrollWidth") == width
    box = page.locator(FIRST).bounding_box()
    page.set_viewport_size({"width": 1300, "height": 800})
    assert box is not None
    assert min(box["width"], box["height"]) > 130


def test_a_finger_taps_turns_and_pinches(browser: "Browser", explorer: Path) -> None:
    context = browser.new_context(offline=True, has_touch=True, viewport={"width": 390, "height": 844})
    page, wrong = opened(context, explorer, own=explorer.parent / "explore")
    _ready(page)
    page.touchscreen.tap(*_at(page, FIRST))
    assert caption(PLANTED) in page.locator(".pane:nth-child(1) .card").inner_text()
    assert page.evaluate("lacuna.state.pinned") == PLANTED
    page.evaluate(PINCH)
    assert page.evaluate("lacuna.state.zoom") == pytest.approx(2)
    assert wrong == []
    context.close()


def test_reduced_motion_jumps(browser: "Browser", explorer: Path) -> None:
    context = browser.new_context(offline=True, reduced_motion="reduce")
    page, _ = opened(context, explorer, own=explorer.parent / "explore")
    _ready(page)
    page.evaluate("lacuna.set({ lanes: ['arm'], step: 0.4 })")
    _until(page, "lacuna.app.lanes.length === 1 && lacuna.app.lanes[0].id === 'arm'")
    assert page.evaluate("lacuna.app.lanes[0].place === lacuna.app.lanes[0].loaded[0].place.sphere")
    context.close()


def test_what_is_absent_is_named(browser: "Browser", bare: Path) -> None:
    context = browser.new_context(offline=True)
    page, wrong = opened(context, bare, own=bare.parent / "explore")
    _ready(page)
    assert page.input_value("#view") == "pca"
    assert page.is_hidden("#searching")
    page.click("#tab-clusters")
    assert "python -m jobs.analyze dataset.name=world encoder.name=clip" in page.inner_text("#panel-clusters")
    page.click("#tab-models")
    text = page.inner_text("#panel-models")
    assert "No captions are at hand" in text
    assert "No pictures are at hand" in text
    assert wrong == []
    context.close()


@pytest.mark.long
def test_a_selection_goes_back_into_the_pipeline(browser: "Browser", tmp_path: Path, ray_cluster: None) -> None:
    """Drawn around in the page, saved, kept by jobs.analyze, reported: its explorer shows these pairs alone."""
    from jobs.analyze import run
    from tda.config.analysis import AnalysisConfig
    from tda.config.datasets import DatasetConfig
    from tda.config.jobs import AnalyzeJob
    from tda.config.models import EncoderConfig

    del ray_cluster
    root = plant_explored(tmp_path / "root")
    file = _publish(root)
    context = browser.new_context(offline=True, accept_downloads=True, viewport={"width": 1300, "height": 800})
    page, _ = opened(context, Path(f"{file}"), own=file.parent / "explore")
    _ready(page)
    page.select_option("#tool", "box")
    x, y = _at(page, FIRST)
    page.mouse.move(x - 150, y - 150)
    page.mouse.down()
    page.mouse.move(x + 150, y, steps=4)
    page.mouse.up()
    _, text = _saved(page, "Keys")
    (tmp_path / "keys.txt").write_text(text)
    _, saved = _saved(page, "JSON")
    chosen = [pair["key"] for pair in json.loads(saved)["pairs"]]
    assert 10 < len(chosen) < P
    dataset = DatasetConfig(name="world", keep=f"@{tmp_path / 'keys.txt'}")
    outcome = run(
        AnalyzeJob(
            root=root, dataset=dataset, encoder=EncoderConfig(name="clip"), analysis=AnalysisConfig(parts=["retrieval", "separability"])
        )
    )
    assert outcome.whole
    _publish(root)
    page.reload()
    _ready(page)
    names = page.eval_on_selector_all("#dataset option", "all => all.map(e => e.value)")
    (name,) = set(names) - {"world"}
    page.select_option("#dataset", name)
    _until(page, f"lacuna.app.entry.name === '{name}'")
    assert page.evaluate("lacuna.app.dataset.keys") == chosen
    context.close()


def test_a_lost_data_file_is_named(browser: "Browser", explorer: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(explorer.parent, tmp_path / "report")
    (copy / "explore" / "dataset-0.js").unlink()
    context = browser.new_context(offline=True)
    page, _ = opened(context, copy / PAGE, own=copy / "explore")
    page.wait_for_selector("[role=alert]")
    assert "explore/dataset-0.js cannot be read" in page.inner_text("[role=alert]")
    context.close()
