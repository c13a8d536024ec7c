"""Changes of a shared file by several processes at once: none is lost, on a local disk and on an object store."""

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_store import Fault, faulty_google, faulty_store

from tda.errors import LacunaError, UserError
from tda.store import update
from tda.store.documents import Document, seal_holds, unsealed
from tda.store.files import publish_bytes, publish_json, read_json
from tda.store.update import update_bytes, update_json

SPAWN = multiprocessing.get_context("spawn")  # a fork would share connections


@pytest.fixture(params=["local", "s3", "google"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "local":
        yield str(tmp_path / "folder" / "shared.json")
        return
    with faulty_store() if request.param == "s3" else faulty_google() as proxy:
        yield f"{proxy.root}/{tmp_path.name}/shared.json"


def add(url: str, name: str, times: int) -> None:
    for number in range(times):
        update_json(url, lambda now, number=number: {**unsealed(now or {}), f"{name}{number}": number})


@pytest.mark.parametrize("first", [None, "{", "[]"], ids=["missing", "damaged", "a list"])
def test_changes_of_three_processes_all_stand(url: str, first: str | None) -> None:
    if first is not None:
        publish_bytes(url, first.encode())
    names = "abc"
    processes = [SPAWN.Process(target=add, args=(url, name, 6)) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    found = read_json(url)
    assert unsealed(found) == {f"{name}{number}": number for name in names for number in range(6)}
    assert seal_holds(found)


def test_nothing_changes_where_nothing_is_given(url: str) -> None:
    assert update_json(url, lambda _: None) is None
    made = update_json(url, lambda now: {"first": now is None})
    assert update_json(url, lambda _: None) == made == read_json(url)
    assert update_bytes(url, lambda data: None if data and b"first" in data else b"x") == json.dumps(made, indent=1).encode() + b"\n"


def test_a_change_that_comes_between_is_seen(url: str) -> None:
    """Of object stores: what is read is replaced before it is written. The local lock lets nobody between."""
    if "://" not in url:
        pytest.skip("a lock keeps others out")
    seen: list[Document | None] = []

    def change(now: Document | None) -> Document:
        seen.append(now)
        if len(seen) < 3:
            publish_json(url, {"other": len(seen)})
        return {"mine": True, "other": (now or {}).get("other")}

    assert unsealed(update_json(url, change) or {}) == {"mine": True, "other": 2}
    assert seen == [None, {"other": 1}, {"other": 2}]


def test_a_file_that_goes_between_is_made_again(url: str) -> None:
    if "://" not in url:
        pytest.skip("a lock keeps others out")
    from tda.store.files import remove

    publish_json(url, {"a": 1})
    seen: list[Document | None] = []

    def change(now: Document | None) -> Document:
        seen.append(now)
        if len(seen) == 1:
            remove(url)
        return {"b": 2}

    assert unsealed(update_json(url, change) or {}) == {"b": 2}
    assert seen[0] == {"a": 1}


def test_an_answer_that_was_lost_is_no_other_writer(tmp_path: Path) -> None:
    with faulty_store() as proxy:
        url = f"{proxy.root}/{tmp_path.name}/shared.json"
        for number in (1, 2):
            proxy.faults.append(Fault("shared.json", "lost", "PUT", times=1))
            seen: list[Document | None] = []
            update_json(url, lambda now, seen=seen, number=number: seen.append(now) or {"n": number})
            assert (unsealed(read_json(url)), len(seen)) == ({"n": number}, 1)


def test_a_writer_that_is_always_overtaken_gives_up_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "TRIES", 3)
    with faulty_store() as proxy:
        url = f"{proxy.root}/{tmp_path.name}/shared.json"
        numbers = iter(range(9))

        def overtaken(_: Document | None) -> Document:
            publish_json(url, {"n": next(numbers)})
            return {}

        with pytest.raises(LacunaError, match=r"shared\.json: other writers replaced it 3 times"):
            update_json(url, overtaken)


def test_a_store_that_compares_nothing_is_written_all_the_same() -> None:
    url = "memory://update/shared.json"
    for number in range(3):
        update_json(url, lambda now, number=number: {**unsealed(now or {}), str(number): number})
    assert unsealed(read_json(url)) == {"0": 0, "1": 1, "2": 2}


def hold(url: str, inside: str) -> None:
    def change(_: Document | None) -> Document:
        Path(inside).touch()
        signal.pause()
        return {}

    update_json(url, change)


def test_the_lock_of_a_killed_writer_is_free(tmp_path: Path) -> None:
    url, inside = str(tmp_path / "shared.json"), tmp_path / "inside"
    publish_json(url, {"a": 1})
    process = SPAWN.Process(target=hold, args=(url, str(inside)))
    process.start()
    while not inside.exists():
        process.join(0.05)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert unsealed(update_json(url, lambda now: {**(now or {}), "b": 2}) or {}) == {"a": 1, "b": 2}


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        update_json(str(tmp_path / "file" / "shared.json"), lambda _: {})
