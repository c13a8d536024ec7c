"""A tiny CLOOB-LAION as Haiku keeps it: random parameters under upstream's names, no two sizes equal where the model allows."""

from typing import Any

import numpy as np

CONFIG: dict[str, Any] = {
    "d_embed": 6,
    "image_encoder": {"type": "ViT", "image_size": 6, "input_channels": 3, "patch_size": 2, "n_layers": 2, "d_model": 8, "n_heads": 2},
    "text_encoder": {"type": "transformer", "text_size": 7, "vocab_size": 11, "n_layers": 2, "d_model": 12, "n_heads": 3},
}


def haiku_parameters(seed: int = 0) -> dict[str, Any]:
    """What upstream's pickle holds for `CONFIG`."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32) / 2

    image, text = CONFIG["image_encoder"], CONFIG["text_encoder"]
    side, width = image["patch_size"], image["d_model"]
    towers = []
    for root, encoder, positions in (("vi_t_image_encoder", image, 10), ("text_encoder", text, text["text_size"])):
        tower: dict[str, Any] = {f"{root}/pos_embed": {"w": drawn(positions, encoder["d_model"])}}
        for layer in range(encoder["n_layers"]):
            tower |= _layer(f"{root}/layer_{layer}", encoder["d_model"], drawn)
        towers.append(tower | {f"{root}/proj": {"w": drawn(encoder["d_model"], CONFIG["d_embed"]), "b": drawn(CONFIG["d_embed"])}})
    towers[0] |= {"vi_t_image_encoder": {"class_embed": drawn(width)}, "vi_t_image_encoder/embed": {"w": drawn(side, side, 3, width)}}
    towers[1] |= {"text_encoder/embed": {"embeddings": drawn(text["vocab_size"], text["d_model"])}}
    return {"params": tuple(towers), "epoch": 3}


def _layer(name: str, width: int, drawn: Any) -> dict[str, Any]:
    norm = {"scale": (width,), "offset": (width,)}
    shapes = {"self_attention/layer_norm": norm, "feed_forward/layer_norm": norm}
    for part in ("query", "key", "value", "linear"):
        shapes[f"self_attention/multi_head_attention/{part}"] = {"w": (width, width), "b": (width,)}
    shapes["feed_forward/linear_0"] = {"w": (width, 4 * width), "b": (4 * width,)}
    shapes["feed_forward/linear_1"] = {"w": (4 * width, width), "b": (width,)}
    return {f"{name}/{part}": {leaf: drawn(*shape) for leaf, shape in leaves.items()} for part, leaves in shapes.items()}
