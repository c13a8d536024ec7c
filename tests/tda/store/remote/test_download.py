"""Files of a publisher, whatever its server does: cut, stalled, wrong bytes, redirected, refused, gone."""

import json
from pathlib import Path

import pytest
from published import CONTENT, SHA256, published

from tda.errors import LacunaError, UserError
from tda.store.remote.download import NoNetworkError, download


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_STORE_ATTEMPTS", "3")
    monkeypatch.setenv("LACUNA_STORE_TIMEOUT", "0.5")


def test_a_file_is_fetched_once(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with published() as server:
        target = tmp_path / "deep" / "model.pt"
        assert download(server.url, target, SHA256, 0, lambda done, all_: seen.append((done, all_))) == SHA256
        assert download(server.url, target, SHA256[:8].upper(), 0) == SHA256
    assert (target.read_bytes(), len(server.asked), seen[-1]) == (CONTENT, 1, (len(CONTENT), len(CONTENT)))
    assert [file.name for file in target.parent.iterdir()] == ["model.pt"]


def test_cuts_are_gone_on_from_and_no_count_of_them_ends_it_while_bytes_come(tmp_path: Path) -> None:
    with published(*["cut"] * 6, "stall") as server:
        assert download(server.url, tmp_path / "m", SHA256, 0) == SHA256
    assert (tmp_path / "m").read_bytes() == CONTENT
    assert server.asked[:3] == [None, f"bytes={len(CONTENT) // 2}-", f"bytes={len(CONTENT) * 3 // 4}-"]


@pytest.mark.parametrize("change", ["etag", "weak", "no ranges", "no note"])
def test_bytes_of_two_versions_are_never_joined(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_STORE_ATTEMPTS", "1")
    old = b"old" * 100_000
    with published("cut", "503", "503", content=old, etag='W/"one"' if change == "weak" else '"one"') as server:
        with pytest.raises(LacunaError, match="the same command goes on from there"):
            download(server.url, tmp_path / "m", SHA256, 0)
        assert 0 < (tmp_path / "m.part").stat().st_size < len(old)
        server.faults.clear()
        server.content, server.ranges = CONTENT, change != "no ranges"
        if change == "etag":
            server.etag = '"two"'
        if change == "no note":
            (tmp_path / "m.part.json").write_text("{")
        assert download(server.url, tmp_path / "m", SHA256, 0) == SHA256


def test_wrong_bytes_are_removed(tmp_path: Path) -> None:
    with published(content=b"<html>not found</html>") as server, pytest.raises(UserError, match="they were removed"):
        download(server.url, tmp_path / "m", SHA256, 0)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "m").write_bytes(b"mine")
    with published() as server, pytest.raises(UserError, match="remove it first"):
        download(server.url, tmp_path / "m", SHA256, 0)
    assert ((tmp_path / "m").read_bytes(), server.asked) == (b"mine", [])


@pytest.mark.parametrize("status", ["403", "404", "410", "401"])
def test_a_refusal_is_reported_at_once(status: str, tmp_path: Path) -> None:
    with published(status) as server, pytest.raises(UserError, match=f"is refused by its server: {status}"):
        download(server.url, tmp_path / "m", SHA256, 0)
    assert len(server.asked) == 1


def test_faults_that_pass_are_tried_again_and_those_that_stay_are_named(tmp_path: Path) -> None:
    with published("500", "429") as server:
        assert download(server.url, tmp_path / "a", SHA256, 0) == SHA256
    with published(*["503"] * 9) as server, pytest.raises(LacunaError, match="the server answers 503"):
        download(server.url, tmp_path / "b", SHA256, 0)
    assert len(server.asked) == 3


def test_redirects_are_followed_but_not_to_files_and_not_for_ever(tmp_path: Path) -> None:
    with published() as server, published(f"to {server.url}") as first:
        assert download(first.url, tmp_path / "a", SHA256, 0) == SHA256
    with published("to file:///etc/passwd") as server, pytest.raises(UserError, match="refused"):
        download(server.url, tmp_path / "b", SHA256, 0)
    with published() as server:
        server.faults[:] = [f"to {server.url}"] * 40
        with pytest.raises(UserError, match="refused"):
            download(server.url, tmp_path / "c", SHA256, 0)


def test_no_network_and_no_address(tmp_path: Path) -> None:
    with published() as server:
        pass
    with pytest.raises(NoNetworkError):
        download(server.url, tmp_path / "m", SHA256, 0)
    for url in ("file:///etc/passwd", "ftp://x/y", "s3://b/k"):
        with pytest.raises(UserError, match="is no address"):
            download(url, tmp_path / "m", None, 0)
    with pytest.raises(UserError, match="too short"):
        download(server.url, tmp_path / "m", "abc", 0)


def test_a_part_that_is_too_long_begins_again(tmp_path: Path) -> None:
    with published("416") as server:
        (tmp_path / "m.part").write_bytes(CONTENT + b"more")
        (tmp_path / "m.part.json").write_text(json.dumps({"url": server.url, "etag": server.etag}))
        assert download(server.url, tmp_path / "m", SHA256, 0) == SHA256
