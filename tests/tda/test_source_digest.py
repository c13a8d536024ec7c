"""Results kept beside the code that made them: every source file of that code counts, wherever it lies."""

import sys
from pathlib import Path

import pytest

from tda.encoders import canary
from tda.report import page
from tda.report.contact import sheet as contact
from tda.source_digest import SUFFIXES, source_digest, source_files

TDA = Path(__file__).resolve().parents[2] / "tda"


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a room inside it."""
    package = tmp_path / "planted_house"
    (package / "room").mkdir(parents=True)
    for file in (
        "__init__.py",
        "front.py",
        "room/__init__.py",
        "room/table.py",
        "room/page.html",
        "room/preset.yaml",
        "room/model.json",
        "notes.txt",
    ):
        (package / file).write_text(f"# {file}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "planted_house", raising=False)
    return package


@pytest.mark.parametrize("file", ["front.py", "room/table.py", "room/page.html", "room/preset.yaml", "room/model.json"])
def test_a_change_at_any_depth_changes_the_digest(planted: Path, file: str) -> None:
    before = source_digest("planted_house")
    assert source_digest("planted_house") == before
    (planted / file).write_text("another")
    assert source_digest("planted_house") != before


def test_a_file_that_moves_changes_the_digest(planted: Path) -> None:
    before = source_digest("planted_house")
    (planted / "front.py").rename(planted / "room/front.py")
    assert source_digest("planted_house") != before


def test_what_is_no_source_does_not_count(planted: Path) -> None:
    before = source_digest("planted_house")
    (planted / "notes.txt").write_text("another")
    assert source_digest("planted_house") == before


def test_presets_and_models_of_conf_count() -> None:
    paths = {path for path, _ in source_files("conf")}
    assert {"model/toy.json", "encoder/toy_cloob.yaml", "embed.yaml"} <= paths
    assert not [path for path in paths if path.endswith(".md")]


@pytest.mark.parametrize("package", ["report", "encoders"])
def test_every_source_file_of_a_real_package_counts(package: str) -> None:
    folder = TDA / package
    wanted = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.suffix in SUFFIXES}
    assert {path for path, _ in source_files(f"tda.{package}")} == wanted


def test_the_report_the_sheets_and_the_canary_go_by_it() -> None:
    for module in (page, contact, canary):
        assert module.source_digest is source_digest
