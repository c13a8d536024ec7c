"""The pickle reader against what NumPy, Haiku and JAX write, and against pickles that mean harm."""

import os
import pickle
import subprocess
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tda.encoders.weights.safe_pickle import read_arrays
from tda.errors import UserError


class _Call:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def _written(path: Path, value: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "f8", "i8", "u1", "?"])
def test_arrays_come_back(tmp_path: Path, dtype: str) -> None:
    array = (np.arange(24).reshape(2, 3, 4) % 5).astype(dtype)
    value = {
        "c": array,
        "fortran": np.asfortranarray(array),
        "empty": array[:0],
        "scalar": array.reshape(-1)[3:4].reshape(()),
        "again": array,
    }
    found = read_arrays(_written(tmp_path / "a.pkl", value))
    for key, expected in value.items():
        np.testing.assert_array_equal(found[key], expected)
        assert found[key].dtype == expected.dtype.newbyteorder("=")
    found["c"][0, 0, 0] = 1  # writable


def test_plain_containers_come_back(tmp_path: Path) -> None:
    value = {"params": ({"w": [1, 2.5, None, True, "x"]}, OrderedDict(b=2)), "epoch": 32}
    assert read_arrays(_written(tmp_path / "a.pkl", value)) == {"params": ({"w": [1, 2.5, None, True, "x"]}, {"b": 2}), "epoch": 32}


def test_haiku_and_jax_wrappers_are_seen_through(shared_golden: Path) -> None:
    plain, wrapped = (read_arrays(shared_golden / name) for name in ("cloob_laion_tiny.pkl", "cloob_laion_tiny_haiku.pkl"))
    assert plain["epoch"] == wrapped["epoch"]
    for one, other in zip(plain["params"], wrapped["params"], strict=True):
        for module in one:
            for leaf in one[module]:
                np.testing.assert_array_equal(one[module][leaf], other[module][leaf])


@pytest.mark.parametrize(
    "function", [os.system, subprocess.check_output, eval, exec, __import__, getattr, np.fromfile, np.load, np.testing.rundocs]
)
def test_a_pickle_that_would_run_something_runs_nothing(tmp_path: Path, function: Callable[..., Any]) -> None:
    marker = tmp_path / "ran"
    text = f"touch {marker}" if function is os.system else f"open({str(marker)!r}, 'w')"
    for name, value in {"alone": _Call(function, text), "inside": {"params": ({"w": np.ones(2)}, [_Call(function, text)])}}.items():
        with pytest.raises(UserError, match=r"no pickle of arrays and plain containers: it names .*, which was not imported") as refused:
            read_arrays(_written(tmp_path / f"{name}.pkl", value))
        assert "\n" not in str(refused.value)
    assert not marker.exists()


def test_a_module_is_not_even_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "does_harm.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Thing: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02cdoes_harm\nThing\n)\x81.")
    with pytest.raises(UserError, match=r"it names does_harm.Thing"):
        read_arrays(tmp_path / "a.pkl")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "value", [np.array([{"a": 1}, None], dtype=object), np.array(["text"]), np.zeros(2, dtype="f4,i4"), {1, 2}, b"raw", 1j]
)
def test_other_values_are_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(UserError, match="no pickle of arrays and plain containers"):
        read_arrays(_written(tmp_path / "a.pkl", value))


def test_stand_ins_cannot_be_misused(tmp_path: Path) -> None:
    blank, float32 = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R", b"cnumpy\ndtype\nX\x02\x00\x00\x00f4\x85R"
    raw = b"\x89C\x04abcdtb."
    bad = {
        "has no state": b"\x80\x02cnumpy\nndarray\n(K\x05tR.",
        "has three numbers in four bytes": blank + b"(K\x01(K\x03t" + float32 + raw,
        "has a text for a dtype": blank + b"(K\x01(K\x01tX\x02\x00\x00\x00f4" + raw,
        "wraps a dtype as an array": b"\x80\x02cjax._src.device_array\nreconstruct_device_array\n(cnumpy\ndtype\n)}}tR.",
        "maps a number": b"\x80\x02chaiku._src.data_structures\nFlatMapping\nK\x01\x85R.",
    }
    for name, data in bad.items():
        (tmp_path / "a.pkl").write_bytes(data)
        with pytest.raises(UserError, match="no pickle of arrays"):
            pytest.fail(f"{name}: {read_arrays(tmp_path / 'a.pkl')}")


def test_damaged_pickles_are_refused(shared_golden: Path, tmp_path: Path) -> None:
    whole = (shared_golden / "cloob_laion_tiny.pkl").read_bytes()
    for data in (b"", whole[:1000], whole[:-10], b"<html>not found</html>", b"\x80\x04" + b"]" * 3 + b"e."):
        (tmp_path / "a.pkl").write_bytes(data)
        with pytest.raises(UserError, match="no pickle of arrays"):
            read_arrays(tmp_path / "a.pkl")
    nested: list[Any] = []
    nested.append(nested)
    with pytest.raises(UserError, match="no pickle of arrays"):
        read_arrays(_written(tmp_path / "a.pkl", nested))
