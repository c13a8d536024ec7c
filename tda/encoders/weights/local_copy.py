"""Weights from files: fetched once, checked, read without running code, and loaded into a model only if every key fits."""

import fcntl
import hashlib
import importlib
import importlib.resources
import json
import pickle
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from tda.encoders.weights.bounds import (
    require_bounded_header,
    require_bounded_pickle_file,
    require_bounded_tensors,
    require_bounded_zip,
)
from tda.encoders.weights.fetched import cache_dir
from tda.encoders.weights.naming import HOLDERS, adapted, held_state, plain_names
from tda.encoders.weights.torchscript import is_torchscript, read_torchscript
from tda.errors import UserError
from tda.store.files import file_sha256, filesystem, is_local
from tda.store.types import printable

UNREADABLE = (  # what torch, safetensors and zips raise on damaged files
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    AttributeError,
    AssertionError,
    ImportError,
    MemoryError,
    OverflowError,
    pickle.UnpicklingError,
    BadZipFile,
    SafetensorError,
)
_BEFORE_ZIPS = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # how torch.save began until 2020
_PICKLES_BEFORE_ZIPS = 5
_SCALAR = importlib.import_module("numpy._core.multiarray").scalar
_NUMBERS: list[Any] = [  # a trainer's epoch or best score is often a number of NumPy's, whose parts run nothing
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    np.dtype,
    *{type(np.dtype(code)) for code in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")},
]
_HUB_NAME = re.compile(r"(hf[-_]hub|local-dir):", re.IGNORECASE)
_LINE = 300
_CONFIG_BYTES = 16 * 2**20


def local_file(url: str | None, field: str, sha256: str | None = None, source: str | None = None) -> Path:
    """Path of a file on this machine: `url` itself, or a copy, fetched once for each node, if it is remote.

    Parameters
    ----------
    url: a path, any fsspec URL, or `pkg://package/path` for a file that an installed package holds.
    field: the configuration's name for it, for errors.
    sha256: expected sha256, or its first 8 or more hexadecimal digits; checked before the file is opened.
    source: where the original is published, for the error if it is missing.

    Raises UserError if it is not set, missing, or has another sha256.
    """
    published = f"; the original is published as {source}: fetch it and set {field} to its path" if source else ""
    if not url or url == "???":
        raise UserError(f"{field} is not set{published or '; give the path of a file'}")
    if hub := _HUB_NAME.match(url):
        raise UserError(f"{field}={url} names a model of a hub, and nothing is fetched by {hub[0]}: fetch its file and give its path")
    path = _packaged(url) if url.startswith("pkg://") else _on_this_machine(url, field, published)
    if not path.is_file():
        raise UserError(f"{field}={url} is not a file{published}")
    if sha256 is not None:
        _require_sha256(path, sha256, f"{field}={url}")
    return path


def _packaged(url: str) -> Path:
    package, _, name = url.removeprefix("pkg://").partition("/")
    try:
        return Path(str(importlib.resources.files(package) / name))
    except ModuleNotFoundError:
        raise UserError(f"{url} names a package that is not installed") from None


def _on_this_machine(url: str, field: str, published: str) -> Path:
    fs, path = filesystem(url)
    if is_local(fs):
        return Path(path)
    try:
        identity = hashlib.sha256(f"{url} {fs.ukey(path)}".encode()).hexdigest()  # a replaced file is fetched again
        kept = cache_dir() / "files" / f"{identity[:16]}-{Path(path).name}"
        with once(kept) as missing:
            if missing:
                fetched = kept.with_name(f".{uuid.uuid4().hex}.tmp")
                try:
                    fs.get_file(path, str(fetched))
                    fetched.replace(kept)
                finally:
                    fetched.unlink(missing_ok=True)
    except FileNotFoundError:
        raise UserError(f"{field}={url} is not there{published}") from None
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"{field}={url} cannot be read: {first_line(error)}") from error
    return kept


@contextmanager
def once(target: Path) -> Iterator[bool]:
    """Lock `target` on this node and yield whether it is missing: one of many processes makes it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file closes, also if its process is killed
        yield not target.exists()


def _require_sha256(path: Path, wanted: str, what: str) -> None:
    if len(wanted) < 8:
        raise UserError(f"encoder.sha256={wanted!r} is too short: give at least the first 8 digits")
    found = file_sha256(path)
    if not found.startswith(wanted.lower()):
        raise UserError(f"{what} has sha256 {found[:16]}..., not {wanted[:16]}...: it is damaged or another file; it was not opened")


def read_config(url: str | None, field: str = "encoder.config") -> dict[str, Any]:
    """The model's own JSON configuration. Raises UserError if it is missing or not a JSON object."""
    path = local_file(url, field)
    if (size := path.stat().st_size) > _CONFIG_BYTES:
        raise UserError(f"{field}={url} has {size} bytes; a model's configuration has a few thousand")
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{field}={url} is not JSON: {first_line(error)}") from None
    if not isinstance(config, dict):
        raise UserError(f"{field}={url} holds a {type(config).__name__}, not a JSON object")
    return config


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a file of tensors: see `read_file` and `state_dict_of`."""
    return state_dict_of(read_file(path), path)


def read_file(path: Path) -> Any:
    """The content of a .safetensors file, a TorchScript archive's tensors, or the content of a .pt file. Pickled code is never run.

    Raises UserError if the file is cut, is of another kind, or would run code.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            require_bounded_header(path)
            return load_file(path)
        if is_torchscript(path):
            return read_torchscript(path)
        _require_bounded(path)
        with torch.serialization.safe_globals(_NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise UserError(f"checkpoint {path} cannot be read: {unread_line(error)}") from None


def unread_line(error: BaseException) -> str:
    """Why a file of torch's was not read, in one line; torch's own message advises to run it."""
    named = re.search(r"nsupported (?:global: )?GLOBAL (\S+)", str(error))
    return f"it is no file of tensors alone: it names {named[1]}, which was not imported" if named else first_line(error)


def _require_bounded(path: Path) -> None:
    """Raise one of `UNREADABLE` unless the file is one of torch's whose reading takes no more than its size warrants."""
    if is_zipfile(path):
        require_bounded_zip(path, path.stat().st_size)
        return
    with path.open("rb") as file:
        if file.read(len(_BEFORE_ZIPS)) != _BEFORE_ZIPS:
            raise ValueError("it is no file of torch.save")
    require_bounded_pickle_file(path, _PICKLES_BEFORE_ZIPS)


def state_dict_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    """The state dict in `loaded`, plain or as trainers wrap it, with the model's own names: see `tda.encoders.weights.naming`."""
    state = held_state(loaded)
    if state is None:
        has = f"; it has: {', '.join(map(str, list(loaded)[:5]))}" if isinstance(loaded, Mapping) and loaded else ""
        raise UserError(f"checkpoint {path} holds no state dict (tensors by name), plain or under {', '.join(HOLDERS)}{printable(has)}")
    try:
        require_bounded_tensors(list(state.values()), path)
    except ValueError as error:
        raise UserError(f"checkpoint {path} cannot be read: {first_line(error)}") from None
    return plain_names(state)


def fit(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Copy `state` into `model`: every key once, every shape equal, every value finite; see `naming.adapted` for what no vector needs.

    Raises UserError that names what does not fit.
    """
    state, wanted = adapted(model, state), model.state_dict()
    missing = [key for key in wanted if key not in state]
    unexpected = [key for key in state if key not in wanted]
    other = [
        f"{key} {tuple(state[key].shape)} for {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ]
    broken = [key for key, value in state.items() if not torch.isfinite(value).all()]
    faults = [(missing, "missing"), (unexpected, "unexpected"), (other, "of another shape"), (broken, "not finite")]
    reported = [f"{len(keys)} {what} ({keys[0]}{', ...' if len(keys) > 1 else ''})" for keys, what in faults if keys]
    if reported:
        raise UserError(f"checkpoint {path} does not fit the configured model: keys {'; '.join(reported)}")
    model.load_state_dict(dict(state), strict=True)


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, with the next one where it only announces it; a sentence that is cut says so by "..."."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    text = " ".join(lines[:2]) if lines and lines[0].endswith(":") else "".join(lines[:1])
    return (text if len(text) <= _LINE else f"{text[: _LINE - 3].rstrip()}...") or type(error).__name__
