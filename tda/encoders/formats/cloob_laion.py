"""CLOOB ViT-B/16 of crowsonkb/cloob-training: a pickle of Haiku parameters and upstream's JSON configuration."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from tda.config.models import EncoderConfig
from tda.encoders.base import Encoder, MetaModel, image_text_model
from tda.encoders.formats.cloob_laion_convert import converted
from tda.encoders.formats.cloob_laion_model import CloobLaion
from tda.encoders.formats.open_clip import image_transform
from tda.encoders.tokens import require_word, tokenizer_for, tokenizer_name
from tda.encoders.weights.local_copy import first_line, fit, local_file, read_config, read_state_dict
from tda.errors import UserError
from tda.store.files import file_sha256


def load(checkpoint: str, config: str | None, device: str = "auto", precision: str = "fp32", *, tokenizer: str | None = None) -> Encoder:
    """The model with its preprocessing. `encode_image` and `encode_text` give L2-normalised rows, as upstream's do.

    `checkpoint` is upstream's .pkl, or the .safetensors converted from it, whose metadata hold the sha256 of the .pkl.
    Texts are padded to the full context, which must not be cut: see `cloob_laion_model`.
    Raises UserError, in one line, for files that are missing, damaged, would run code, or belong to another model.
    """
    settings = read_config(config)
    path = local_file(checkpoint, "encoder.checkpoint")
    model = build(settings, config)
    sha256, state = _weights(path)
    fit(model, state, path)
    preprocessing = preprocessing_of(settings, config, tokenizer)
    return Encoder(
        model,
        preprocess=image_transform(preprocessing["image"]),
        tokenize=tokenizer_for(preprocessing["text"]["vocab_size"], preprocessing["text"]["context_length"], tokenizer),
        dim=settings["d_embed"],
        weights_sha256=sha256,
        preprocessing=preprocessing,
        device=device,
        precision=precision,
    )


def describe(checkpoint: str, config: str | None, tokenizer: str | None = None) -> tuple[str, dict[str, Any]]:
    """`weights_sha256` and `preprocessing` as from `load`, without building the model."""
    return _source_sha256(local_file(checkpoint, "encoder.checkpoint")), preprocessing_of(read_config(config), config, tokenizer)


def meta_model(encoder: EncoderConfig) -> MetaModel:
    """The model of a configuration, on the default device; no checkpoint is opened."""
    config = read_config(encoder.config)
    model = build(config, encoder.config)
    return image_text_model(model, config["d_embed"], config["image_encoder"]["image_size"], config["text_encoder"]["text_size"])


def preprocessing_of(config: dict[str, Any], name: str | None = None, tokenizer: str | None = None) -> dict[str, Any]:
    """Preprocessing of the published vectors (bicubic; training used Lanczos) and architecture, as plain values."""
    try:
        image, text = config["image_encoder"], config["text_encoder"]
        return {
            "image": {
                "size": image["image_size"],
                "resize_mode": "shortest",
                "interpolation": "bicubic",
                "mean": list(image["normalize"]["mean"]),
                "std": list(image["normalize"]["std"]),
            },
            "text": {
                "tokenizer": tokenizer_name(text["vocab_size"], require_word(tokenizer)),
                "vocab_size": text["vocab_size"],
                "context_length": text["text_size"],
            },
            "model": {"d_embed": config["d_embed"], "image_encoder": image, "text_encoder": text},
        }
    except (KeyError, TypeError) as error:
        raise UserError(f"encoder.config={name} is not a CLOOB-LAION model: {error} is missing or of another kind") from None


def build(config: dict[str, Any], name: str | None = None) -> CloobLaion:
    """The architecture of upstream's JSON configuration with random weights. `name` is the configuration's name in errors."""
    try:
        kinds = config["image_encoder"]["type"], config["text_encoder"]["type"]
        if kinds != ("ViT", "transformer"):
            raise UserError(f"encoder.config={name} asks for towers {kinds}; CLOOB-LAION has ('ViT', 'transformer')")
        return CloobLaion(config)
    except (KeyError, TypeError) as error:
        raise UserError(f"encoder.config={name} is not a CLOOB-LAION model: {error} is missing or of another kind") from None


def _weights(path: Path) -> tuple[str, dict[str, Tensor]]:
    sha256 = _source_sha256(path)
    return sha256, read_state_dict(path) if path.suffix == ".safetensors" else converted(path, sha256)


def _source_sha256(path: Path) -> str:
    """SHA-256 of upstream's pickle; a converted file holds it in its metadata."""
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, "pt") as file:
                reported = (file.metadata() or {}).get("source_sha256")
        except (OSError, SafetensorError) as error:
            raise UserError(f"checkpoint {path} cannot be read: {first_line(error)}") from None
        if reported:
            return str(reported)
    return file_sha256(path)
