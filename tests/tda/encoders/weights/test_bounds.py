"""Checkpoints that cost more than they weigh: each is refused in one line, in little memory, and the real ones still open."""

import io
import itertools
import json
import pickle
import resource
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from tda.encoders.weights import bounds
from tda.encoders.weights.bounds import require_bounded_pickle
from tda.encoders.weights.local_copy import read_config, read_file, read_state_dict
from tda.encoders.weights.safe_pickle import read_arrays
from tda.errors import UserError

DEPTH = 60
START = b"\x80\x02"
HEAD = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # of torch.save before zips


@pytest.fixture(autouse=True)
def limits() -> Iterator[None]:
    """A reader that hangs is stopped after five minutes, one that takes another 3 GB fails."""

    def stop(*_: object) -> None:
        pytest.fail("it hangs")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(300)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    signal.alarm(0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 3 * 2**20  # KiB


def refused(path: Path, reader: Callable[[Path], Any] = read_state_dict) -> str:
    with pytest.raises(UserError) as error:
        reader(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def doubled(empty: Any = list) -> Any:
    value = [1.0] if empty is list else (1.0,)
    for _ in range(DEPTH):
        value = empty((value, value))
    return value


def grown_late() -> list[Any]:
    """The same graph from lists that were empty when they were put into one another."""
    lists: list[list[Any]] = [[] for _ in range(DEPTH)]
    for upper, lower in itertools.pairwise(lists):
        upper += [lower, lower]
    return lists[0]


def archive(path: Path, data: bytes, members: dict[str, bytes] | None = None, way: int = ZIP_STORED, script: bool = True) -> Path:
    with ZipFile(path, "w", way) as file:
        file.writestr("m/data.pkl", data)
        file.writestr("m/version", b"3\n")
        if script:
            file.writestr("m/constants.pkl", pickle.dumps((), 2))
        for name, content in (members or {}).items():
            file.writestr(f"m/{name}", content)
    return path


def modules() -> bytes:
    """Scripted modules, each of which holds the one before it twice."""
    body = b"c__torch__\nM\n)\x81}b"
    for slot in range(DEPTH):
        one = b"h" + bytes([slot])
        body += b"q" + bytes([slot]) + b"0c__torch__\nM\n)\x81}(X\x01\x00\x00\x00a" + one + b"X\x01\x00\x00\x00b" + one + b"ub"
    return START + body + b"."


def tensor(elements: int, size: tuple[int, ...], stride: tuple[int, ...], kind: bytes = b"X\x07\x00\x00\x00storage") -> bytes:
    pid = b"(" + kind + b"ctorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu" + pickle.dumps(elements, 2)[2:-1] + b"tQ"
    shape, steps = (pickle.dumps(part, 2)[2:-1] for part in (size, stride))
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + pid + b"K\x00" + shape + steps + b"\x89ccollections\nOrderedDict\n)RtR"


def module_of(tensor: bytes) -> bytes:
    return START + b"c__torch__\nM\n)\x81}(X\x01\x00\x00\x00w" + tensor + b"ub."


def dict_of(tensor: bytes) -> bytes:
    return START + b"}(X\x01\x00\x00\x00w" + tensor + b"u."


@pytest.mark.parametrize(
    "value", [doubled(), doubled(tuple), grown_late(), {"params": doubled()}], ids=["lists", "tuples", "late", "inside"]
)
def test_a_graph_of_more_paths_than_can_be_walked_is_refused(tmp_path: Path, value: object) -> None:
    data = pickle.dumps(value, protocol=4)
    (tmp_path / "w.pkl").write_bytes(data)
    assert "over and over" in refused(tmp_path / "w.pkl", read_arrays)
    for script in (True, False):
        assert "over and over" in refused(archive(tmp_path / f"{script}.pt", data, script=script))
    (tmp_path / "old.pt").write_bytes(HEAD + data * 4)
    assert "over and over" in refused(tmp_path / "old.pt")


def test_scripted_modules_that_hold_one_another_twice_are_refused(tmp_path: Path) -> None:
    assert "over and over" in refused(archive(tmp_path / "w.pt", modules()))


def popped_key() -> bytes:
    """A tuple of 2^60 paths is hashed as the key of a dict that is then thrown away."""
    doubled = b"".join(b"q" + bytes([slot]) + b"h" + bytes([slot]) + b"\x86" for slot in range(DEPTH))
    return START + b"K\x01\x85" + doubled + b"q\x600}h\x60K\x01s0}."


def copied_often() -> bytes:
    """One dict of 20,000 entries, given to a wrapper that copies it 100,000 times."""
    large = b"}(" + b"".join(b"M" + struct.pack("<H", key) + b"K\x01" for key in range(20_000)) + b"uq\x010"
    return START + large + b"ccollections\nOrderedDict\nq\x020" + b"h\x02h\x01\x85R0" * 100_000 + b"}."


HOSTILE = {
    "a key that takes 2^60 steps to hash": (popped_key(), "over and over"),
    "a dict that is copied 100,000 times": (copied_often(), "over and over"),
    "a slot that takes 64 GB": (START + b"}r\xff\xff\xff\xff.", "slot 4294967295"),
    "a container that holds itself": (START + b"]q\x00h\x00a.", "holds itself"),
    "a frame of an exabyte": (b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"}.", "frame of"),
    "bytes of an exabyte": (b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"}.", ""),
    "a text of 4 GB": (b"\x80\x04X\xff\xff\xff\xffab", ""),
    "a mark for a value": (START + b"(q\x00\x85.", ""),
    "more taken than there is": (START + b"\x87.", "more than it has put down"),
    "a slot that is empty": (START + b"h\x07.", ""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_small_pickles_that_cost_much_are_refused(tmp_path: Path, name: str) -> None:
    data, reported = HOSTILE[name]
    (tmp_path / "w.pkl").write_bytes(data)
    assert reported in refused(tmp_path / "w.pkl", read_arrays)
    for script in (True, False):
        assert reported in refused(archive(tmp_path / f"{script}.pt", data, script=script))


def test_steps_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_OPCODES", 5000)
    (tmp_path / "w.pkl").write_bytes(START + b"N0" * 3000 + b"}.")
    assert "more than 5000 steps" in refused(tmp_path / "w.pkl", read_arrays)


def test_one_array_in_a_million_places_is_refused(tmp_path: Path) -> None:
    array = b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01(M\x00\x10tcnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R\x89"
    raw = b"B" + struct.pack("<I", 2**20) + bytes(2**20) + b"q\x00"
    data = START + b"](" + raw + (array + b"h\x00tb") * 20_000 + b"e."
    (tmp_path / "w.pkl").write_bytes(data)
    assert "over and over" in refused(tmp_path / "w.pkl", read_arrays)


@pytest.mark.parametrize("script", [True, False])
def test_compressed_members_are_refused_before_they_are_read(tmp_path: Path, script: bool) -> None:
    data = (module_of if script else dict_of)(tensor(2**26, (2**26,), (1,)))
    path = archive(tmp_path / "w.pt", data, {"data/0": bytes(2**28)}, ZIP_DEFLATED, script)
    assert path.stat().st_size < 2**20
    assert "is compressed, and torch.save compresses none" in refused(path)


def test_the_code_of_an_archive_may_be_compressed_and_is_not_opened(tmp_path: Path) -> None:
    path = archive(tmp_path / "w.pt", module_of(tensor(4, (2, 2), (2, 1))), {"data/0": struct.pack("<4f", 1, 2, 3, 4)})
    with ZipFile(path, "a", ZIP_DEFLATED) as file:
        file.writestr("m/code/m.py", bytes(2**24))
    assert read_state_dict(path)["w"].tolist() == [[1, 2], [3, 4]]
    with ZipFile(path, "a", ZIP_DEFLATED) as file:
        file.writestr("m/data/../code/m.py", bytes(2**24))
    assert "is compressed" in refused(path)


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "w.pt", pickle.dumps({}, 2), {"data/0": bytes(100_000), "data/1": b""})
    data = bytearray(path.read_bytes())
    for name in (b"m/data/1", b"m/version"):
        entry = data.rindex(name) - 46  # its place in the directory
        data[entry + 20 : entry + 28] = struct.pack("<II", 100_000, 100_000)
    path.write_bytes(data)
    assert "larger than the file" in refused(path)


def test_archives_with_two_members_of_one_name_or_two_pickles_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(tmp_path / "w.pt", pickle.dumps({}, 2), {"version": b"2"})
    assert "two members of one name" in refused(path)
    with ZipFile(archive(tmp_path / "two.pt", pickle.dumps({}, 2)), "a") as file:
        file.writestr("n/data.pkl", pickle.dumps({}, 2))
    assert "2 data.pkl" in refused(tmp_path / "two.pt")


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize(
    "wrong",
    [
        (2**40, (4,), (1,), None),  # a storage larger than the file
        (4, (2**40,), (1,), None),  # a view beyond the storage
        (4, (2**40,), (0,), None),  # one number over and over
        (4, (2**31, 2**31), (0, 0), None),
        (-1, (4,), (1,), None),
        (4, (4,), (1,), b"X\x06\x00\x00\x00module"),
        (4, (4,), (1,), pickle.dumps(doubled(), 2)[2:-1]),
        (1000, (1000,), (1,), None),  # more than its own member holds
    ],
)
def test_tensors_that_are_larger_than_their_bytes_are_refused(
    tmp_path: Path, script: bool, wrong: tuple[int, tuple[int, ...], tuple[int, ...], bytes | None]
) -> None:
    elements, size, stride, kind = wrong
    body = tensor(elements, size, stride, kind) if kind else tensor(elements, size, stride)
    data = (module_of if script else dict_of)(body)
    refused(archive(tmp_path / "w.pt", data, {"data/0": struct.pack("<4f", 1, 2, 3, 4), "filler": bytes(2000)}, script=script))


@pytest.mark.parametrize("script", [True, False])
def test_the_same_tensor_from_its_own_bytes_is_read(tmp_path: Path, script: bool) -> None:
    data = (module_of if script else dict_of)(tensor(4, (2, 2), (2, 1)))
    path = archive(tmp_path / "w.pt", data, {"data/0": struct.pack("<4f", 1, 2, 3, 4), "byteorder": b"little"}, script=script)
    assert read_state_dict(path)["w"].tolist() == [[1, 2], [3, 4]]


def header(path: Path, tensors: dict[str, Any], content: bytes = bytes(16), length: int | None = None) -> Path:
    text = json.dumps(tensors).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + content)
    return path


def entry(shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("tensors", "length"),
    [
        ({"a": entry([4], 0, 16)}, 2**62),
        ({"a": entry([4], 0, 16)}, 10_000),
        ({"a": entry([4], 0, 16), "b": entry([4], 0, 16)}, None),
        ({"a": entry([4], -16, 0)}, None),
        ({"a": entry([4], 16, 0)}, None),
        ({"a": entry([2**40], 0, 2**42)}, None),
        ({"a": entry([2**62, 4], 0, 16)}, None),
        ({"a": entry([2], 0, 8)}, None),
        ({"a": {**entry([4], 0, 16), "dtype": "F1024"}}, None),
    ],
)
def test_headers_of_safetensors_that_do_not_fit_the_file_are_refused(tmp_path: Path, tensors: dict[str, Any], length: int | None) -> None:
    assert "cannot be read" in refused(header(tmp_path / "w.safetensors", tensors, length=length))


def test_a_header_of_many_bytes_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "_HEADER_BYTES", 1000)
    save_file({f"key_{i}": torch.zeros(1) for i in range(100)}, tmp_path / "w.safetensors")
    assert "more than 1000" in refused(tmp_path / "w.safetensors")


def test_files_of_torch_still_open(tmp_path: Path) -> None:
    tied = torch.randn(100, 10)
    state = {"a": tied, "b": tied.T, "c": torch.arange(77).expand(1, -1), "d": torch.tensor(2.0), "e": torch.zeros(0)}
    optimizer = torch.optim.AdamW([torch.nn.Parameter(tied)])
    saved = {"state_dict": state, "optimizer": optimizer.state_dict(), "epoch": 3, "args": {"names": ["x"] * 1000}}
    for zipped in (True, False):
        torch.save(saved, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
        found = read_state_dict(tmp_path / "w.pt")
        assert all(torch.equal(found[key], value) for key, value in state.items())
        assert read_file(tmp_path / "w.pt")["epoch"] == 3


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary(), lambda x: st.lists(x) | st.dictionaries(st.text(), x) | st.tuples(x, x)
    )
)
def test_what_pickle_writes_is_in_bounds(value: Any) -> None:
    for protocol in range(6):
        data = pickle.dumps({"a": value, "b": [value, value]}, protocol)
        require_bounded_pickle(io.BytesIO(data), len(data))


@given(st.binary(max_size=60), st.sampled_from([START, b"\x80\x04"]))
def test_random_bytes_are_refused_or_in_bounds(data: bytes, start: bytes) -> None:
    try:
        require_bounded_pickle(io.BytesIO(start + data), len(data))
    except (pickle.UnpicklingError, ValueError, IndexError, KeyError, EOFError):
        return


def test_a_configuration_is_small_and_flat(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "long.json").write_bytes(b" " * (16 * 2**20 + 1))
    for name, reported in (("deep", "is not JSON"), ("long", "a few thousand")):
        with pytest.raises(UserError, match=reported):
            read_config(str(tmp_path / f"{name}.json"))
