"""A contact sheet in a real browser: keys mark and move, marks stay and are saved, nothing of a stranger's runs, nothing goes out."""

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from drawn_world import ENCODER, plant_drawn_world
from pages import opened
from planted_nearest import plant_nearest
from planted_report import CAPTIONS, CONFIG, plant

from tda.report.contact.sheet import build_sheets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = plant_drawn_world(tmp_path_factory.mktemp("root"))
    build_sheets(root, [], CONFIG)
    return Path(root) / f"report/contact/toy_heldout-{ENCODER}-toy_train-image.html"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = plant(tmp_path_factory.mktemp("root"), ("toy_heldout",), (ENCODER,))
    plant_nearest(root, "toy_heldout", ENCODER)
    build_sheets(root, [], CONFIG)
    return Path(root) / f"report/contact/toy_heldout-{ENCODER}-toy_train-image.html"


@contextmanager
def _context(browser: "Browser", **settings: Any) -> "Iterator[BrowserContext]":
    context = browser.new_context(accept_downloads=True, **settings)
    yield context
    context.close()


def _press(page: "Page", *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_keys_move_and_mark(browser: "Browser", sheet: Path) -> None:
    with _context(browser) as context:
        page, wrong = opened(context, sheet)
        assert page.inner_text("#where") == "pair 1 of 60, page 1 of 3"
        _press(page, "1", "0", "ArrowDown", "1", "ArrowLeft", "0", "ArrowRight", "c")
        assert page.inner_text("#tally") == "repeats 1, not 2, left 57"
        assert page.inner_text("#where") == "pair 6 of 60, page 1 of 3"
        pressed = page.eval_on_selector_all(
            '.pair button[aria-pressed="true"]', "all => all.map(e => [e.closest('.pair').dataset.rank, e.dataset.mark])"
        )
        assert pressed == [["1", "1"], ["2", "0"], ["4", "0"]]
        _press(page, "PageDown")
        assert page.inner_text("#where") == "pair 21 of 60, page 2 of 3"
        assert page.locator(".pair:visible").count() == 20
        assert page.evaluate("document.activeElement.dataset.rank") == "21"
        _press(page, "ArrowUp")
        assert page.inner_text("#where") == "pair 20 of 60, page 1 of 3"
        _press(page, "End", "ArrowDown")
        assert page.inner_text("#where") == "pair 60 of 60, page 3 of 3"
        _press(page, "n")
        assert page.inner_text("#where") == "pair 3 of 60, page 1 of 3"
        assert wrong == []


def test_marks_stay_and_are_saved_to_a_file(browser: "Browser", sheet: Path) -> None:
    with _context(browser) as context:
        page, wrong = opened(context, sheet)
        _press(page, "1", "0")
        page.locator('.pair[data-rank="5"] button[data-mark="1"]').click()
        again, _ = opened(context, sheet)
        assert again.inner_text("#tally") == "repeats 2, not 1, left 57"
        assert again.locator('.pair[data-rank="2"] button[data-mark="0"]').get_attribute("aria-pressed") == "true"
        with again.expect_download() as download:
            again.click("#save")
        assert download.value.suggested_filename == f"toy_heldout-{ENCODER}-toy_train-image-marks.json"
        saved = json.loads(Path(download.value.path()).read_text())
        assert [(one["rank"], one["repeat"]) for one in saved["marks"]] == [(1, 1), (2, 0), (5, 1)]
        about = json.loads(sheet.with_suffix(".json").read_text())
        assert {name: saved[name] for name in ("dataset", "encoder", "reference", "modality", "digest", "pairs")} == {
            name: about[name] for name in ("dataset", "encoder", "reference", "modality", "digest", "pairs")
        }
        first = saved["marks"][0]["query"]
        assert first["key"] == f"{first['shard']}{first['ordinal']:04d}"
        again.locator('.pair[data-rank="5"] button[data-mark="1"]').click()
        assert again.inner_text("#tally") == "repeats 1, not 1, left 58"
        assert wrong == []
    with _context(browser) as other:
        assert opened(other, sheet)[0].inner_text("#tally") == "repeats 0, not 0, left 60"


def test_images_show_and_nothing_is_asked_for(browser: "Browser", sheet: Path) -> None:
    with _context(browser, offline=True) as context:
        page, wrong = opened(context, sheet)
        widths = page.eval_on_selector_all(".pair:not([hidden]) img", "all => all.map(e => e.naturalWidth)")
        assert len(widths) == 40
        assert min(widths) > 10
        assert wrong == []


def test_strangers_text_runs_nothing(browser: "Browser", hostile: Path) -> None:
    with _context(browser) as context:
        page, wrong = opened(context, hostile)
        assert page.title().startswith("Lacuna: the closest pairs of toy_heldout")
        assert CAPTIONS[0] in page.evaluate("document.querySelector('main').textContent")
        assert page.locator("main script, main b").count() == 0
        assert "No image: captions are all there is to judge by." in page.inner_text(".missing:visible")
        _press(page, "1")
        assert page.inner_text("#tally") == "repeats 1, not 0, left 399"
        assert wrong == []


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_sticks_out(browser: "Browser", sheet: Path, width: int) -> None:
    with _context(browser, viewport={"width": width, "height": 800}) as context:
        page, _ = opened(context, sheet)
        assert page.evaluate("document.documentElement.scrollWidth") == width
