"""Contact sheets: the closest pairs in order, exact repeats counted, untrusted text escaped, and no image where there is none."""

import json
import os
import re
from pathlib import Path

import pytest
from drawn_world import ENCODER, plant_drawn_world
from planted_nearest import plant_nearest
from planted_report import CAPTIONS, CONFIG, plant, strip

from tda.config.stages import ReportConfig
from tda.report.contact import sheet as contact
from tda.report.contact.sheet import build_sheets
from tda.report.page import build

NAMES = ("toy_heldout", ENCODER, "toy_train")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(plant_drawn_world(tmp_path_factory.mktemp("root")))


def page_of(root: Path, modality: str = "image") -> str:
    return (root / f"report/contact/{'-'.join(NAMES)}-{modality}.html").read_text()


def test_exact_repeats_are_counted(root: Path) -> None:
    image, text = build_sheets(str(root), [], CONFIG)
    assert (image.modality, image.pairs, image.same_image, image.same_both, image.without_image) == ("image", 60, 8, 4, 0)
    assert image.same_caption == 16  # all planted copies but those that were captioned anew
    assert text.same_caption >= 16
    page = page_of(root)
    assert "Exact repeats among them: 8 images of the same bytes, 16 captions of the same words, 4 in both." in page
    assert page.count('src="data:image/jpeg;base64,') == 120
    assert page.count("same image bytes") == 8
    assert not re.search(r'(src|href)="(?!data:image/jpeg|\.\./index\.html)', page)


def test_it_is_made_once_for_its_rows_and_settings(root: Path) -> None:
    before = build_sheets(str(root), [], CONFIG)
    stamps = {path: path.stat().st_mtime_ns for path in (root / "report/contact").iterdir()}
    assert build_sheets(str(root), [], CONFIG) == before
    assert stamps == {path: path.stat().st_mtime_ns for path in (root / "report/contact").iterdir()}
    fewer = build_sheets(str(root), [], ReportConfig(models=CONFIG.models, contact=7))
    assert [sheet.pairs for sheet in fewer] == [7, 7]
    assert build_sheets(str(root), [], ReportConfig(contact=0)) == []


def test_shards_are_read_once_for_all_sheets(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = contact.thumbnails
    monkeypatch.setattr(contact, "thumbnails", lambda wanted, *limits: asked.extend(wanted) or real(wanted, *limits))
    build_sheets(str(root), [], ReportConfig(models=CONFIG.models, contact=30))
    assert sorted(asked) == sorted(str(path) for path in root.glob("shards/*/*.tar"))


def test_without_shards_captions_are_shown_and_it_says_so(tmp_path: Path) -> None:
    plant_drawn_world(tmp_path)
    (tmp_path / "shards/toy_train/00001.tar").unlink()
    image, _ = build_sheets(str(tmp_path), [], CONFIG)
    page = page_of(tmp_path)
    assert 0 < image.without_image < image.pairs
    assert f"{image.without_image} pairs without an image: captions are all there is to judge by." in page
    assert "shards/toy_train/00001.tar: missing" in page
    assert page.count(">no image<") == image.without_image


def test_ingested_rows_and_hostile_captions(tmp_path: Path) -> None:
    plant(tmp_path, ("toy_heldout",), (ENCODER,))
    plant_nearest(tmp_path, "toy_heldout", ENCODER)
    image, _ = build_sheets(str(tmp_path), [("toy_heldout", ENCODER)], CONFIG)
    page = page_of(tmp_path)
    assert (image.pairs, image.without_image, image.same_image) == (400, 400, 0)
    assert "No image: captions are all there is to judge by." in page
    assert "a training caption &lt;b&gt;" in page
    assert "<script>document.title" not in page
    assert CAPTIONS[0].replace("<", "&lt;").replace(">", "&gt;")[:20] in page
    assert "\u202e" not in page
    assert page.count("<script") == 1


def test_embeddings_that_are_gone_leave_cosines(tmp_path: Path) -> None:
    plant_drawn_world(tmp_path)
    (tmp_path / "embeddings/toy_train").rename(tmp_path / "moved")
    image, _ = build_sheets(str(tmp_path), [], CONFIG)
    assert (image.pairs, image.without_image) == (60, 60)
    page = page_of(tmp_path)
    assert "no caption at hand" in page
    assert "they are not under this root any more" in page


def test_stale_rows_have_no_sheet(tmp_path: Path) -> None:
    plant_drawn_world(tmp_path)
    record = tmp_path / f"nearest/toy_heldout/{ENCODER}/toy_train/_records/00000.json"
    found = json.loads(record.read_text())
    record.write_text(json.dumps(found | {"rows_sha256": "another"}))
    assert build_sheets(str(tmp_path), [], CONFIG) == []


def test_whose_sheets(tmp_path: Path) -> None:
    plant(tmp_path, ("toy_heldout",), ("toy_infonce", "toy_cloob"))
    for encoder in ("toy_infonce", "toy_cloob"):
        plant_nearest(tmp_path, "toy_heldout", encoder)
    few = {"contact": 3}
    for config, encoders in (
        (ReportConfig(**few, models={"toy_infonce": "CLIP"}), ["toy_infonce"]),
        (ReportConfig(**few, contact_encoders=["toy_cloob"]), ["toy_cloob"]),
        (ReportConfig(**few), ["toy_cloob", "toy_infonce"]),
    ):
        assert sorted({sheet.encoder for sheet in build_sheets(str(tmp_path), [], config)}) == encoders


def test_the_report_links_them(tmp_path: Path) -> None:
    plant(tmp_path, ("toy_heldout",), (ENCODER,))
    strip(tmp_path)
    plant_nearest(tmp_path, "toy_heldout", ENCODER)
    assert build(str(tmp_path), CONFIG).rebuilt
    page = (tmp_path / "report/index.html").read_text()
    for modality in ("image", "text"):
        assert f'<a href="contact/toy_heldout-{ENCODER}-toy_train-{modality}.html">{modality}</a>' in page
    assert not build(str(tmp_path), CONFIG).rebuilt


def set_sources(root: Path, dataset: str, **fields: object) -> None:
    for record in (root / f"embeddings/{dataset}/{ENCODER}/_records").glob("*.json"):
        found = json.loads(record.read_text())
        record.write_text(json.dumps({**found, "source": {**found["source"], **fields}}))


@pytest.mark.parametrize("scheme", ["http", "s3", "gs", "ftp", "nosuchstore"])
def test_no_address_of_a_record_is_asked_unless_the_reader_allows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    from tda.store.remote import stores

    plant_drawn_world(tmp_path)
    set_sources(tmp_path, "toy_train", path=f"{scheme}://127.0.0.1:9/00000.tar")
    monkeypatch.setenv("LACUNA_STORE_ATTEMPTS", "1")
    with monkeypatch.context() as patch:
        real = stores.fsspec.core.url_to_fs
        patch.setattr(stores.fsspec.core, "url_to_fs", lambda url: pytest.fail(url) if f"{scheme}://" in url else real(url))
        image, _ = build_sheets(str(tmp_path), [], CONFIG)
    assert image.without_image == image.pairs
    assert "it is on a network, which is not asked: report.network=true shows its images" in page_of(tmp_path)


def test_a_store_without_a_client_costs_its_pictures_alone(tmp_path: Path) -> None:
    plant_drawn_world(tmp_path)
    set_sources(tmp_path, "toy_train", path="nosuchstore://bucket/00000.tar")
    image, _ = build_sheets(str(tmp_path), [], ReportConfig(models=CONFIG.models, network=True))
    assert (image.pairs, image.without_image) == (60, 60)
    assert "nosuchstore" in page_of(tmp_path)


def test_a_shard_that_changed_since_is_not_shown_and_one_that_was_touched_is(tmp_path: Path) -> None:
    plant_drawn_world(tmp_path)
    first, second = sorted((tmp_path / "shards/toy_train").glob("*.tar"))
    os.utime(first, (1, 1))
    second.write_bytes(first.read_bytes() + bytes(10_240))
    image, _ = build_sheets(str(tmp_path), [], CONFIG)
    assert 0 < image.without_image < image.pairs
    page = page_of(tmp_path)
    assert page.count("it has changed since it was embedded") == 1


def test_a_sheet_that_was_replaced_is_made_again(tmp_path: Path) -> None:
    plant_drawn_world(tmp_path)
    build_sheets(str(tmp_path), [], CONFIG)
    page = page_of(tmp_path)
    (tmp_path / f"report/contact/{'-'.join(NAMES)}-image.html").write_text("other pictures")
    build_sheets(str(tmp_path), [], CONFIG)
    assert page_of(tmp_path) == page
