"""The tensors of a TorchScript archive, read without TorchScript.

`torch.jit.load` runs no Python, but it compiles the archive's own code and may run it (`__setstate__`), and TorchScript has
operators that write files. The weights need none of that code: only the archive's `data.pkl` is read, by an unpickler that knows tensors
and plain containers and turns every scripted module into its attributes.
"""

import io
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import torch
from torch import Tensor

from tda.encoders.weights.bounds import require_bounded_zip

_STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
}
_NOT_WEIGHTS = ("attn_mask",)  # a traced causal mask is a tensor attribute, but neither a parameter nor a buffer


def is_torchscript(path: Path) -> bool:
    """Whether the file is a TorchScript archive: a zip with `constants.pkl`, which a plain `torch.save` does not write."""
    if not is_zipfile(path):
        return False
    with ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Parameters and buffers by name, as `torch.jit.load(path).state_dict()` gives them, on the CPU.

    Raises pickle.UnpicklingError, ValueError, RuntimeError or BadZipFile for an archive that is damaged or has other content.
    """
    require_bounded_zip(path, path.stat().st_size)
    with ZipFile(path) as archive:
        name = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if name is None:
            raise ValueError("the archive has no data.pkl")
        folder = name.removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("the archive was written on a big-endian machine")
        tree = _TensorUnpickler(archive, folder).load()
    if not isinstance(tree, _Module):
        raise pickle.UnpicklingError(f"the archive holds a {type(tree).__name__}, not a module")
    return dict(_tensors(tree))


class _Module:
    """Stands for any scripted module: attributes without behaviour."""

    def __setstate__(self, attributes: Any) -> None:
        if not isinstance(attributes, dict):
            raise pickle.UnpicklingError("a scripted module whose state is not its attributes")
        self.attributes = attributes


class _TensorUnpickler(pickle.Unpickler):
    def __init__(self, archive: ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}data.pkl")))
        self._archive, self._folder = archive, folder
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Module
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        raise pickle.UnpicklingError(f"it refers to {module}.{name}, which is neither a tensor nor a plain container")

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key = pid[:3]
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError("it refers to something that is no tensor storage")
        if key not in self._storages:
            raw = self._archive.read(f"{self._folder}data/{key}")
            self._storages[key] = torch.frombuffer(bytearray(raw), dtype=dtype) if raw else torch.empty(0, dtype=dtype)
        return self._storages[key]


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _same(value: Any, *_: Any) -> Any:
    return value


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("collections", "OrderedDict"): dict,
    ("torch.jit._pickle", "restore_type_tag"): _same,
    **{("torch.jit._pickle", f"build_{kind}list"): _same for kind in ("int", "bool", "double", "tensor")},
}


def _tensors(module: _Module, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for name, value in module.attributes.items():
        if isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.")
        elif isinstance(value, Tensor) and name not in _NOT_WEIGHTS:
            yield prefix + name, value
