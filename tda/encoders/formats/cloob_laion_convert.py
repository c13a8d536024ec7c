"""Haiku parameters of CLOOB-LAION -> this project's names and layouts, cached as safetensors so that the pickle is read once."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tda.encoders.weights.fetched import cache_dir
from tda.encoders.weights.local_copy import once, read_state_dict
from tda.encoders.weights.safe_pickle import read_arrays
from tda.errors import UserError

_LAYOUT = "1"  # of the names below; another version makes new files
_IMAGE, _TEXT = "vi_t_image_encoder", "text_encoder"
_LAYER = re.compile(r"layer_(\d+)/(self_attention|feed_forward)/(?:multi_head_attention/)?(\w+)")
_PARTS = {
    "self_attention": ("attention", {"layer_norm": "norm", "query": "query", "key": "key", "value": "value", "linear": "out"}),
    "feed_forward": ("feed_forward", {"layer_norm": "norm", "linear_0": "linear_0", "linear_1": "linear_1"}),
}
_LEAVES = {"w": "weight", "b": "bias", "scale": "weight", "offset": "bias"}
_ALONE = {  # everything outside the layers
    "image": {
        "class_embed": "class_embed",
        "embed/w": "patches.weight",
        "pos_embed/w": "tower.positions",
        "proj/w": "tower.proj.weight",
        "proj/b": "tower.proj.bias",
    },
    "text": {
        "embed/embeddings": "tokens.weight",
        "pos_embed/w": "tower.positions",
        "proj/w": "tower.proj.weight",
        "proj/b": "tower.proj.bias",
    },
}


def converted(pickle: Path, sha256: str) -> dict[str, Tensor]:
    """State dict of `CloobLaion` from upstream's pickle, through a cached safetensors file that holds the pickle's sha256.

    Raises UserError if the pickle is damaged, would run code, or holds other parameters.
    """
    from safetensors.torch import save_file

    kept = cache_dir() / "converted" / f"{sha256}-{_LAYOUT}.safetensors"
    with once(kept) as missing:
        if missing:
            state = state_dict(read_arrays(pickle), pickle)
            finished = kept.with_suffix(".tmp")
            save_file(state, finished, metadata={"source_sha256": sha256, "source": pickle.name, "layout": _LAYOUT})
            finished.replace(kept)
    return read_state_dict(kept)


def state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    """`{"params": (image, text), ...}` of Haiku parameters -> state dict of `CloobLaion`. `path` is for errors.

    Raises UserError if `content` has another form, or a parameter has no place in the model.
    """
    parameters = content.get("params") if isinstance(content, dict) else None
    if not isinstance(parameters, list | tuple) or len(parameters) != 2 or not all(isinstance(part, dict) for part in parameters):
        raise UserError(f"checkpoint {path} is no CLOOB-LAION checkpoint: it holds no 'params' of two towers")
    state: dict[str, Tensor] = {}
    for tower, root, part in zip(("image", "text"), (_IMAGE, _TEXT), parameters, strict=True):
        for name, array in _leaves(part, path):
            own = _own_name(tower, name.removeprefix(root).removeprefix("/"))
            if own is None:
                raise UserError(f"checkpoint {path} has a parameter that CLOOB-LAION does not: {name}")
            state[f"{tower}.{own}"] = torch.from_numpy(_own_layout(own, array))
    return state


def _leaves(part: Mapping[str, Any], path: Path) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    for module, leaves in part.items():
        for leaf, array in leaves.items() if isinstance(leaves, dict) else [("", leaves)]:
            if not isinstance(array, np.ndarray):
                raise UserError(f"checkpoint {path} holds a {type(array).__name__} at {module}/{leaf}, not an array")
            yield f"{module}/{leaf}", array


def _own_name(tower: str, name: str) -> str | None:
    module, _, leaf = name.rpartition("/")
    layer = _LAYER.fullmatch(module)
    if layer is None:
        return _ALONE[tower].get(name)
    index, block, part = layer.groups()
    own, parts = _PARTS[block]
    if part not in parts or leaf not in _LEAVES:
        return None
    return f"tower.{own}.{index}.{parts[part]}.{_LEAVES[leaf]}"


def _own_layout(own: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Haiku stores convolutions as HWIO and linear weights as (in, out), torch as OIHW and (out, in). Embedding tables are equal."""
    if array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)
    elif array.ndim == 2 and own.startswith("tower.") and own.endswith(".weight"):
        array = array.T
    return np.ascontiguousarray(array, dtype=np.float32)
