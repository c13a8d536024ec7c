"""Changes of a shared file by several processes at once: none is lost, on a local disk and on an object store."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from faulty_store import Fault, faulty_google, faulty_store
from fsspec.implementations.memory import MemoryFileSystem

from tda.errors import LacunaError, UserError
from tda.store import update
from tda.store.documents import Document, seal_holds, unsealed
from tda.store.files import publish_bytes, publish_json, read_json, require_writable
from tda.store.remote import stores
from tda.store.remote.stores import Store
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


def test_changes_of_files_in_memory_are_made_one_after_the_other() -> None:
    url = "memory://update/shared.json"

    def slow(now: Document | None, number: int) -> Document:
        time.sleep(0.01)
        return {**unsealed(now or {}), str(number): number}

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: update_json(url, lambda now: slow(now, number)), range(12)))
    assert unsealed(read_json(url)) == {str(number): number for number in range(12)}


class Stub(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A remote store that serves files, and refuses nothing."""

    protocol = "stub"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]


class Versioned(Stub):
    """One that replaces a file only if it is still of the given version."""

    protocol = "versioned"
    store: ClassVar[dict[str, Any]] = {}
    versions: ClassVar[dict[str, int]] = {}

    def info(self, path: str, **options: Any) -> Any:
        return {**super().info(path, **options), "version": self.versions.get(self._strip_protocol(path))}

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", version: str | None = None, **options: Any) -> None:
        path = self._strip_protocol(path)
        if (mode == "create" and path in self.store) or (version and version != str(self.versions.get(path))):
            raise FileExistsError(path)
        super().pipe_file(path, value, **options)
        self.versions[path] = self.versions.get(path, 0) + 1

    def put_file(self, local: str, path: str, mode: str = "overwrite", **options: Any) -> None:
        self.pipe_file(path, Path(local).read_bytes(), mode, **options)


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    for store in (Stub, Versioned):
        fsspec.register_implementation(store.protocol, store, clobber=True)
        monkeypatch.setattr(store, "store", {})


@pytest.mark.usefixtures("stubs")
def test_a_store_that_cannot_compare_is_refused_and_loses_nothing() -> None:
    url = "stub://root/shared.json"
    publish_json(url, {"others": 1})
    with pytest.raises(UserError, match=r"^stub:// cannot keep two writers apart: use a folder of this machine, or s3://, gs://$"):
        update_json(url, lambda _: {"mine": 1})
    assert read_json(url) == {"others": 1}
    with pytest.raises(UserError, match=r"^root=stub://root cannot be written: stub:// cannot keep"):
        require_writable("stub://root")


@pytest.mark.usefixtures("stubs")
def test_a_third_store_needs_only_its_way_to_name_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    third = Store(protocols=("versioned",), version=lambda info: {"version": info.get("version")})
    monkeypatch.setattr(stores, "STORES", (*stores.STORES, third))
    url, seen = "versioned://root/shared.json", list[Document | None]()

    def change(now: Document | None) -> Document:
        seen.append(now)
        if len(seen) < 3:
            publish_json(url, {"other": len(seen)})
        return {"mine": True, "other": (now or {}).get("other")}

    assert unsealed(update_json(url, change) or {}) == {"mine": True, "other": 2}
    assert len(seen) == 3
    monkeypatch.setattr(Versioned, "versions", {})
    with pytest.raises(UserError, match="names no version of it"):
        update_json(url, lambda _: {"mine": 1})


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
