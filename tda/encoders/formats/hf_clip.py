"""CLIPModel checkpoints of Hugging Face's transformers: config.json and model.safetensors or pytorch_model.bin.

transformers splits the attention's input projection into three and keeps projections transposed; renamed, the weights are open_clip's
CLIP, which runs them. So no code of the checkpoint is imported, and its numbers are the library's.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tda.config.models import EncoderConfig
from tda.encoders.base import Encoder, MetaModel, image_text_model
from tda.encoders.formats.open_clip import OPENAI_MEAN, OPENAI_STD, build, image_transform
from tda.encoders.formats.trim_text import CutText
from tda.encoders.tokens import CLIP_VOCABULARY, tokenizer_for, tokenizer_name
from tda.encoders.weights.local_copy import first_line, fit, local_file, read_config, read_state_dict
from tda.errors import UserError
from tda.store.files import exists, file_sha256

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
ACTIVATIONS = {"quick_gelu": True, "gelu": False}
RESAMPLING = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers
# The library's defaults: config.json holds the other values alone.
TEXT = {
    "vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8,
    "max_position_embeddings": 77, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "eos_token_id": 49407,
}  # fmt: skip
VISION = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "image_size": 224, "patch_size": 32,
    "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
}  # fmt: skip
_NOT_WEIGHTS = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")  # buffers of older versions
_LAYER = re.compile(r"(text|vision)_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
_PARTS = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_NAMES = {
    "logit_scale": "logit_scale",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "text_projection.weight": "text_projection",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",  # the library's own spelling
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
    "visual_projection.weight": "visual.proj",
}
_TRANSPOSED = ("text_projection", "visual.proj")


def load(checkpoint: str, config: str | None = None, device: str = "auto", precision: str = "fp32") -> Encoder:
    """A CLIPModel with its preprocessing; features are not normalised, as `get_image_features` gives them.

    `config` is config.json, by default the one beside the checkpoint; preprocessor_config.json beside it decides how images are prepared,
    without it they are as CLIP's. Raises UserError, in one line, for files that are missing, damaged, or of another model.
    """
    path, name, settings = _read(checkpoint, config)
    preprocessing = preprocessing_of(settings, name)
    model = build(model_config(settings, name), name)
    fit(model, own_names(read_state_dict(path), path), path)
    text = preprocessing["text"]
    return Encoder(
        CutText(model),
        preprocess=image_transform(preprocessing["image"]),
        tokenize=tokenizer_for(text["vocab_size"], text["context_length"]),
        dim=preprocessing["model"]["embed_dim"],
        weights_sha256=file_sha256(path),
        preprocessing=preprocessing,
        device=device,
        precision=precision,
    )


def describe(checkpoint: str, config: str | None = None) -> tuple[str, dict[str, Any]]:
    """`weights_sha256` and `preprocessing` as from `load`, without building the model."""
    path, name, settings = _read(checkpoint, config)
    return file_sha256(path), preprocessing_of(settings, name)


def meta_model(encoder: EncoderConfig) -> MetaModel:
    """The model of a configuration, on the default device; no checkpoint is opened."""
    config = model_config(read_config(encoder.config), str(encoder.config))
    side, length = config["vision_cfg"]["image_size"], config["text_cfg"]["context_length"]
    return image_text_model(build(config, encoder.config), config["embed_dim"], side, length)


def _read(checkpoint: str, config: str | None) -> tuple[Path, str, dict[str, Any]]:
    path = local_file(checkpoint, "encoder.checkpoint")
    name = config or str(path.with_name(CONFIG))
    return path, name, read_config(name)


def model_config(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """open_clip's configuration of the same model. Raises UserError for what is no CLIPModel, or one that open_clip's CLIP cannot be."""
    if settings.get("model_type") != "clip":
        raise UserError(
            f"encoder.config={name} is no CLIPModel of transformers: its model_type is {settings.get('model_type')!r}, not 'clip'"
        )
    text, vision = ({**known, **(settings.get(key) or {})} for key, known in (("text_config", TEXT), ("vision_config", VISION)))
    for part in (text, vision):
        _require(part["hidden_act"] in ACTIVATIONS, name, f"activation {part['hidden_act']!r}")
        _require(part["layer_norm_eps"] == 1e-5, name, f"layer_norm_eps {part['layer_norm_eps']}")
        _require(part["hidden_size"] % part["num_attention_heads"] == 0, name, f"{part['num_attention_heads']} heads")
    _require(text["hidden_act"] == vision["hidden_act"], name, "two activations")
    _require(text["vocab_size"] == CLIP_VOCABULARY, name, f"a vocabulary of {text['vocab_size']}")
    # 2 is what early files hold by mistake: there the library takes the largest id, as CLIP does
    _require(text["eos_token_id"] in (2, text["vocab_size"] - 1), name, f"end token {text['eos_token_id']}")
    return {
        "embed_dim": settings.get("projection_dim", 512),
        "quick_gelu": ACTIVATIONS[text["hidden_act"]],
        "vision_cfg": {
            "image_size": vision["image_size"],
            "patch_size": vision["patch_size"],
            "width": vision["hidden_size"],
            "layers": vision["num_hidden_layers"],
            "head_width": vision["hidden_size"] // vision["num_attention_heads"],
            "mlp_ratio": vision["intermediate_size"] / vision["hidden_size"],
        },
        "text_cfg": {
            "context_length": text["max_position_embeddings"],
            "vocab_size": text["vocab_size"],
            "width": text["hidden_size"],
            "heads": text["num_attention_heads"],
            "layers": text["num_hidden_layers"],
            "mlp_ratio": text["intermediate_size"] / text["hidden_size"],
        },
    }


def _require(holds: bool, name: str, what: str) -> None:
    if not holds:
        raise UserError(f"encoder.config={name} has {what}, which is not supported: CLIP's own layers and tokenizer are")


def preprocessing_of(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Preprocessing and architecture as plain values."""
    model = model_config(settings, name)
    text = model["text_cfg"]
    fed = {"tokenizer": tokenizer_name(text["vocab_size"]), "vocab_size": text["vocab_size"], "context_length": text["context_length"]}
    return {"image": image_settings(name, model["vision_cfg"]["image_size"]), "text": fed, "model": model}


def image_settings(config: str, side: int) -> dict[str, Any]:
    """How images are prepared: by preprocessor_config.json beside `config`, else as CLIP's. Raises UserError for other steps."""
    url = f"{config.removesuffix(CONFIG)}{PREPROCESSOR}"
    given: dict[str, Any] = read_config(url, "preprocessor_config") if config.endswith(CONFIG) and exists(url) else {}
    for step in ("do_resize", "do_center_crop", "do_rescale", "do_normalize"):
        if not given.get(step, True):
            raise UserError(f"{url} has {step}=false, which is not supported: CLIP resizes, crops and normalises")
    resize, crop = _side(given.get("size", side), url), _side(given.get("crop_size", side), url)
    if not resize == crop == side:
        raise UserError(f"{url} resizes to {resize} and crops to {crop} pixels, the model takes {side}: only equal sides are supported")
    if given.get("resample", 3) not in RESAMPLING:
        raise UserError(f"{url} has resample={given['resample']}; supported are 2 (bilinear) and 3 (bicubic)")
    return {
        "size": side,
        "resize_mode": "shortest",
        "interpolation": RESAMPLING[given.get("resample", 3)],
        "mean": list(given.get("image_mean") or OPENAI_MEAN),
        "std": list(given.get("image_std") or OPENAI_STD),
    }


def _side(size: Any, url: str) -> int:
    """Pixels, from a number or the library's mappings: {"shortest_edge": 224}, {"height": 224, "width": 224}."""
    sides = set(size.values()) if isinstance(size, Mapping) else {size}
    if len(sides) != 1 or not isinstance(side := next(iter(sides)), int):
        raise UserError(f"{url} has size {json.dumps(size)}: only squares are supported")
    return side


def own_names(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The library's names -> open_clip's, floats as float32. Unknown names stay, and are refused where they are fitted."""
    found: dict[str, Tensor] = {}
    for key, value in state.items():
        if key not in _NOT_WEIGHTS:
            found[_renamed(key)] = value.float() if value.is_floating_point() else value
    for key in _TRANSPOSED:
        if key in found:
            found[key] = found[key].T.contiguous()
    try:
        return _joined(found)
    except (KeyError, RuntimeError) as error:
        raise UserError(f"checkpoint {path} is no CLIPModel of transformers: {first_line(error)}") from None


def _renamed(key: str) -> str:
    layer = _LAYER.fullmatch(key)
    if layer is None:
        return _NAMES.get(key, key)
    tower, number, part, kind = layer.groups()
    prefix = f"{'visual.' if tower == 'vision' else ''}transformer.resblocks.{number}"
    return f"{prefix}.{_PARTS.get(part, part)}.{kind}"


def _joined(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The projections of queries, keys and values as one matrix."""
    for key in [key for key in state if ".self_attn.q_proj." in key]:
        kind = key.rpartition(".")[2]
        parts = [state.pop(key.replace("q_proj", f"{one}_proj")) for one in "qkv"]
        state[key.replace(f"self_attn.q_proj.{kind}", f"attn.in_proj_{kind}")] = torch.cat(parts)
    return state
