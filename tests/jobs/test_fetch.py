"""jobs.fetch as a command: presets of a publisher on this machine, found afterwards without a word."""

from pathlib import Path

import fsspec
import pytest
from omegaconf import OmegaConf
from published import CONTENT, SHA256, published
from typed import Typed, typed

import conf
from tda.config.models import EncoderConfig
from tda.encoders.weights.fetched import checkpoint_of, fetched_dir


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LACUNA_FETCHED", raising=False)
    monkeypatch.setenv("LACUNA_STORE_ATTEMPTS", "1")


def presets(folder: Path, url: str, sha256: str | None = SHA256) -> Path:
    for group, text in {
        "encoder": f"name: mine\nurl: {url}\nsha256: {sha256 or 'null'}\n",
        "dataset": f"name: mine\npublished:\n  {url}: null\n  {url}?again: {SHA256}\n",
    }.items():
        (folder / "presets" / group).mkdir(parents=True, exist_ok=True)
        (folder / "presets" / group / "mine.yaml").write_text(text)
    return folder / "presets"


def fetch(folder: Path, *words: str) -> Typed:
    return typed("fetch", "--config-dir", str(folder), *words)


def test_what_is_fetched_is_found_by_its_preset(tmp_path: Path) -> None:
    with published("cut") as server:
        folder = presets(tmp_path, server.url)
        encoder = EncoderConfig(name="mine", url=server.url)
        assert checkpoint_of(encoder) is None
        first, again = fetch(folder, "encoders=[mine]"), fetch(folder, "encoders=[mine]")
    assert (first.returncode, again.returncode) == (0, 0), first.stderr
    assert first.stdout == f"fetch: 1 of 1 files in {fetched_dir()}\n"
    assert ("fetched" in first.stderr, "was there" in again.stderr, len(server.asked)) == (True, True, 2)
    found = checkpoint_of(encoder)
    assert found is not None
    assert Path(found).read_bytes() == CONTENT
    assert checkpoint_of(EncoderConfig(name="mine", url=server.url, checkpoint="own.pt")) == "own.pt"


def test_another_place_is_named_and_a_store_gets_whole_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with published() as server:
        folder = presets(tmp_path, server.url, None)
        here = fetch(folder, "encoders=[mine]", f"to={tmp_path / 'w'}")
        assert here.stdout.endswith(f"LACUNA_FETCHED={tmp_path / 'w'} lets presets find them\n")
        assert f"its publisher gives no digest, it has sha256 {SHA256}" in here.stderr
        there = fetch(folder, "encoders=[mine]", "to=memory://weights")
    assert there.returncode == 0, there.stderr
    monkeypatch.setenv("LACUNA_FETCHED", "memory://weights")
    found = checkpoint_of(EncoderConfig(name="mine", url=server.url))
    assert found is not None
    assert fsspec.filesystem("memory").cat(found) == CONTENT


def test_files_of_a_data_set_and_one_that_fails_beside(tmp_path: Path) -> None:
    with published("404") as server:
        done = fetch(presets(tmp_path, server.url), "datasets=[mine]", f"to={tmp_path / 'd'}")
    assert done.returncode == 1
    assert done.stdout.startswith(f"fetch: 1 of 2 files in {tmp_path / 'd'}; mine: {server.url} is refused by its server: 404")


def test_without_a_network_the_line_has_address_digest_and_place(tmp_path: Path) -> None:
    with published() as server:
        folder = presets(tmp_path, server.url)
    done = fetch(folder, "encoders=[mine]")
    assert done.returncode == 1
    for part in (server.url, SHA256, f"put it as {fetched_dir()}/model-{SHA256[:8]}.pt"):
        assert part in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nothing to fetch"),
        (("encoders=[absent]",), "encoder=absent is unknown"),
        (("encoders=[rn50_infonce]",), "no address is known; it is published as the checkpoint"),
        (("datasets=[laion2b]",), "img2dataset"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = fetch(presets(tmp_path, "http://127.0.0.1:1/x"), *words)
    assert (done.returncode, message in done.stderr, len(done.stderr.splitlines())) == (2, True, 1), done.stderr


def test_an_address_holds_the_digest_that_its_preset_pins() -> None:
    for file in sorted((Path(conf.__path__[0]) / "encoder").glob("*.yaml")):
        preset = OmegaConf.load(file)
        if preset.get("url") and preset.get("sha256"):
            assert str(preset.sha256) in str(preset.url)
