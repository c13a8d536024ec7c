"""The report in a real browser: it opens from disk, runs nothing, asks nothing, and fits the screen."""

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pages import opened
from planted_report import CAPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

# The smallest contrast of any text with what lies behind it, by WCAG 2; large or bold text is held to the same.
CONTRAST = """() => {
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const parse = text => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255]; };
  let worst = [99, ''];
  for (const e of document.querySelectorAll('h1, h2, p, a, td, th, dt, dd, li, caption, code, svg text')) {
    if (!e.textContent.trim() || e.closest('.hidden, .skip')) continue;
    const style = getComputedStyle(e), color = parse(e.tagName === 'text' ? style.fill : style.color);
    const [a, b] = [light(color), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst[0]) worst = [ratio, e.tagName + ': ' + e.textContent.trim().slice(0, 40)];
  }
  return worst; }"""


@pytest.fixture
def page_file(drawn_report: Path) -> Path:
    return drawn_report / "report" / "index.html"


@contextmanager
def _opened(browser: "Browser", file: Path, **settings: Any) -> "Iterator[tuple[Page, list[str]]]":
    """Open the file; yields the page and everything that went wrong or went out."""
    context = browser.new_context(**settings)
    yield opened(context, file)
    context.close()


def test_it_opens_from_disk_and_asks_for_nothing(browser: "Browser", page_file: Path) -> None:
    with _opened(browser, page_file) as (page, wrong):
        assert wrong == []
        assert page.title() == "Lacuna: toy_heldout, toy_shifted"
        sizes = page.eval_on_selector_all("svg", "all => all.map(e => [e.getBoundingClientRect().width, e.viewBox.baseVal.width])")
        assert len(sizes) > 10
        assert all(width > 10 and natural > 10 for width, natural in sizes)
        loaded = page.evaluate(
            """async () => Promise.all([...document.querySelectorAll('svg image')].map(async e => {
                 const i = new Image(); i.src = e.href.baseVal; await i.decode(); return i.naturalWidth; }))"""
        )
        assert len(loaded) > 2  # the rastered points of the spheres, and of other figures within the page
        assert all(width > 0 for width in loaded)
        beside = page.evaluate(
            """async () => Promise.all([...document.querySelectorAll('.panel img')].map(async e => {
                 e.loading = 'eager'; await e.decode(); return e.naturalWidth; }))"""
        )
        assert len(beside) > 50
        assert all(width > 0 for width in beside)
        assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_panels_beside_the_page_follow_its_scheme(browser: "Browser", page_file: Path, scheme: Any) -> None:
    with _opened(browser, page_file, color_scheme=scheme) as (page, _):
        ink = page.evaluate(
            """async () => {
                 const e = document.querySelector('img[src^="panels/fig10"]'); e.loading = 'eager'; await e.decode();
                 return getComputedStyle(document.documentElement).colorScheme; }"""
        )
        assert ink == "light dark"
        shot = page.locator('img[src^="panels/fig10"]').first.screenshot()
        assert len(shot) > 1000


def test_captions_show_and_run_nothing(browser: "Browser", page_file: Path) -> None:
    with _opened(browser, page_file) as (page, wrong):
        text = page.inner_text("#failures")
        assert CAPTIONS[0] in text
        assert "{{ 7 * 7 }}" in text
        assert page.locator("#failures script, #failures img").count() == 0
        assert page.title().startswith("Lacuna")
        assert wrong == []


def test_nothing_sticks_out(browser: "Browser", page_file: Path) -> None:
    with _opened(browser, page_file) as (page, _):
        for width in (320, 390, 768, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            assert page.evaluate("[...document.querySelectorAll('.panel')].every(e => e.getBoundingClientRect().right <= innerWidth)")


def test_tables_need_no_scrolling_on_a_desk(browser: "Browser", page_file: Path) -> None:
    with _opened(browser, page_file, viewport={"width": 1280, "height": 800}) as (page, _):
        assert page.eval_on_selector_all(".scroll", "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.ariaLabel)") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(browser: "Browser", page_file: Path, scheme: Any) -> None:
    with _opened(browser, page_file, color_scheme=scheme) as (page, _):
        ratio, where = page.evaluate(CONTRAST)
        assert ratio >= 4.5, where
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 384) is (scheme == "dark")


def test_every_region_and_link_is_reached_by_keyboard(browser: "Browser", page_file: Path) -> None:
    with _opened(browser, page_file) as (page, _):
        assert page.eval_on_selector_all(".scroll", "all => all.every(e => e.tabIndex === 0 && e.ariaLabel)")
        goals = [str(link.get_attribute("href")) for link in page.locator("nav a").all()]
        assert [goal for goal in goals if goal[0] != "#"] == ["explore.html"]
        assert all(page.locator(goal).count() == 1 if goal[0] == "#" else (page_file.parent / goal).exists() for goal in goals)


def test_it_prints(browser: "Browser", page_file: Path) -> None:
    with _opened(browser, page_file) as (page, _):
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible()
        assert page.pdf(format="A4").startswith(b"%PDF")
