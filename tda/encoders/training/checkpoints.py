"""The files of a model in training: step checkpoints with a checksum, and the finished weights.

<folder>/step_00000400.pt       model, optimizer, step, rng, curve, config_hash (loads with weights_only=True)
<folder>/step_00000400.json     its sentinel: sha256, step, config_hash; a checkpoint without one is ignored
<folder>/curve.parquet          step, loss, learning_rate, seconds
<folder>/model.pt               the state dict alone
<folder>/model.json             written last: the model's configuration (`model_cfg`), its training, sha256 of the weights and of itself
"""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from tda.config.models import TrainConfig
from tda.encoders.weights.bounds import require_bounded_zip
from tda.encoders.weights.local_copy import UNREADABLE, unread_line
from tda.errors import UserError
from tda.store.commit.versions import sha256_if_there
from tda.store.documents import read_document, seal_holds, sealed
from tda.store.files import exists, filesystem, join, list_files, publish_bytes, publish_json, read_bytes

SETTINGS = {field.name for field in fields(TrainConfig)}
KEPT = 2  # step checkpoints: the last two, in case the last is damaged


class Snapshots:
    """The folder of one model; `config_hash` identifies the training, and files of another one are refused.

    `keep` is last or all: which step checkpoints stay. All of them load as models: the weights are under "model". `content`: the settings
    behind `config_hash`, so that a refusal names those that differ.
    """

    def __init__(self, folder: str, config_hash: str, keep: str = "last", content: Mapping[str, Any] | None = None) -> None:
        self.folder, self.config_hash, self.keep, self.content = folder, config_hash, keep, dict(content or {})

    def finished(self) -> dict[str, Any] | None:
        """The content of `model.json`, or None if there is no such model: none was finished, or its weights are gone.

        Raises UserError if it, or a checkpoint, is of another configuration, or the weights are not those that it records.
        """
        url, weights = join(self.folder, "model.json"), join(self.folder, "model.pt")
        if not exists(url):
            for sentinel in filter(None, map(self._sentinel, self._sentinels()[-1:])):
                self._require_ours(sentinel["config_hash"])
            return None
        try:
            content = read_document(url)
            theirs, sha256 = content["training"]["config_hash"], content["training"]["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{url} cannot be read ({error}): remove it to train the model again from its last checkpoint") from None
        self._require_ours(theirs, content["training"])
        if seal_holds(content) is False:
            raise UserError(f"{url} was changed after it was written: put it back, or remove it to train the model again")
        found = sha256_if_there(weights)
        if found not in (sha256, None):
            raise UserError(f"{weights} is not the model that model.json records: put it back, or remove model.json to train it again")
        return content if found else None

    def latest(self) -> dict[str, Any] | None:
        """The newest whole checkpoint, on the CPU; damaged ones are skipped. Raises UserError if it is of another configuration."""
        for name in reversed(self._sentinels()):
            sentinel = self._sentinel(name)
            if sentinel is None:
                continue
            self._require_ours(sentinel["config_hash"])
            checkpoint = join(self.folder, name.replace(".json", ".pt"))
            data = read_bytes(checkpoint) if exists(checkpoint) else b""
            if hashlib.sha256(data).hexdigest() == sentinel["sha256"]:
                return _loaded(data, checkpoint)
        return None

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Publish a checkpoint, then its sentinel; then remove old checkpoints, unless all are kept."""
        data, name = _saved({**state, "config_hash": self.config_hash}), f"step_{step:08d}"
        publish_bytes(join(self.folder, f"{name}.pt"), data)
        sentinel = {"step": step, "config_hash": self.config_hash, "sha256": hashlib.sha256(data).hexdigest()}
        publish_json(join(self.folder, f"{name}.json"), sentinel)
        for old in self._sentinels()[:-KEPT] if self.keep == "last" else ():
            self._remove(old)  # the sentinel first: a checkpoint without one is ignored
            self._remove(old.replace(".json", ".pt"))

    def finish(
        self, weights: dict[str, Tensor], curve: dict[str, list[Any]], settings: dict[str, Any], reported: dict[str, Any]
    ) -> dict[str, Any]:
        """Publish the curve, the weights, and last `model.json`, whose content is returned."""
        data = _saved(weights)
        publish_bytes(join(self.folder, "curve.parquet"), _parquet(curve))
        publish_bytes(join(self.folder, "model.pt"), data)
        training = {**reported, "config_hash": self.config_hash, "sha256": hashlib.sha256(data).hexdigest()}
        content = sealed({**(settings if "model_cfg" in settings else {"model_cfg": settings}), "training": training})
        publish_json(join(self.folder, "model.json"), content)
        return content

    def _sentinel(self, name: str) -> dict[str, Any] | None:
        """The content of a sentinel; None for a damaged one, and where an actor of a driver that was killed has just removed it."""
        try:
            found = read_document(join(self.folder, name))
        except (FileNotFoundError, ValueError):
            return None
        return found if {"config_hash", "sha256"} <= found.keys() else None

    def _sentinels(self) -> list[str]:
        return [name for name in list_files(self.folder, ".json") if name.startswith("step_")]

    def _remove(self, name: str) -> None:
        fs, path = filesystem(join(self.folder, name))
        if fs.exists(path):
            fs.rm_file(path)

    def _require_ours(self, theirs: str, trained: Mapping[str, Any] | None = None) -> None:
        if theirs == self.config_hash:
            return
        other = {name: value for name, value in (trained or {}).items() if name in self.content and self.content[name] != value}
        given = {name: value for name, value in other.items() if name in SETTINGS}
        if given and given.keys() == other.keys():
            words = " and ".join(f"{name}={value}, not {self.content[name]}" for name, value in given.items())
            keep = " ".join(f"train.{name}={value}" for name, value in given.items())
            raise UserError(
                f"{self.folder} holds a model of {words}: keep it with {keep}, or train anew under another encoder.name or root"
            )
        raise UserError(
            f"{self.folder} holds a model of training config {theirs}, not of {self.config_hash}: use another encoder.name or root"
        )


def _loaded(data: bytes, url: str) -> dict[str, Any]:
    """A checkpoint's content. Whoever writes it writes its digest too, so it is bounded like any other before it is opened."""
    try:
        require_bounded_zip(io.BytesIO(data), len(data))
        loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise UserError(f"{url} cannot be read: {unread_line(error)}: remove it to go on from the checkpoint before it") from None
    if not isinstance(loaded, dict):
        raise UserError(f"{url} holds a {type(loaded).__name__}, not a checkpoint: remove it to go on from the one before it")
    return loaded


def _saved(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _parquet(columns: dict[str, list[Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()
