"""open_clip models from a JSON configuration and a checkpoint file; never from random weights.

The configuration is open_clip's own (embed_dim, vision_cfg, text_cfg, ...), plain or under "model_cfg" with a "preprocess_cfg" beside it.
Models with "custom_text" (SigLIP) may have a timm vision tower and a Hugging Face tokenizer, which is read from a local folder.
"""

from typing import Any

from torch import nn

from tda.config.models import EncoderConfig
from tda.encoders import NO_TOKENIZER
from tda.encoders.base import Encoder, MetaModel, image_text_model
from tda.encoders.formats.allowed import require_open_clip_fields
from tda.encoders.formats.sizes import require_sizes
from tda.encoders.formats.trim_text import CutText, can_be_cut
from tda.encoders.tokens import (
    CLIP_VOCABULARY,
    FolderTokenizer,
    HashTokenizer,
    folder_of,
    folder_sha256,
    tokenizer_for,
    tokenizer_name,
)
from tda.encoders.weights.local_copy import first_line, fit, local_file, read_config, read_state_dict
from tda.encoders.weights.naming import named_for
from tda.encoders.weights.offline import offline
from tda.errors import UserError
from tda.store.files import file_sha256

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
PREPROCESS: dict[str, tuple[str, ...]] = {  # fields of preprocess_cfg, and the words that open_clip takes
    "size": (),
    "mode": ("RGB",),
    "mean": (),
    "std": (),
    "interpolation": ("bicubic", "bilinear", "random"),
    "resize_mode": ("shortest", "longest", "squash"),
    "fill_color": (),
}
TOKENIZER = "tokenizer"  # of a configuration: the word for hashed words, where the vocabulary is not CLIP's
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)


def load(
    checkpoint: str,
    config: str | None,
    device: str = "auto",
    precision: str = "fp32",
    *,
    pretrained: str | None = None,
    tokenizer: str | None = None,
) -> Encoder:
    """An open_clip model (Cherti et al. 2023) with its inference transform and tokenizer.

    `config` is the model's JSON or, if `pretrained` is a tag of open_clip's registry, the model's name there.
    `tokenizer` is the folder of the tokenizer that the configuration names, if any.

    Raises UserError, in one line, for a configuration or checkpoint that is missing, unreadable, or made for another model.
    """
    settings = _settings(config, pretrained)
    path = local_file(checkpoint, "encoder.checkpoint")
    model_config = model_config_of(settings)
    model = build(model_config, name=config)
    fit(model, named_for(read_state_dict(path), model.state_dict()), path)
    preprocessing = preprocessing_of(settings, config, tokenizer)
    return Encoder(
        CutText(model) if can_be_cut(model) else model,
        preprocess=image_transform(preprocessing["image"]),
        tokenize=_tokenizer(preprocessing["text"], tokenizer),
        dim=model_config["embed_dim"],
        weights_sha256=file_sha256(path),
        preprocessing=preprocessing,
        device=device,
        precision=precision,
    )


def describe(
    checkpoint: str, config: str | None, pretrained: str | None = None, tokenizer: str | None = None
) -> tuple[str, dict[str, Any]]:
    """`weights_sha256` and `preprocessing` as from `load`, without building the model."""
    path = local_file(checkpoint, "encoder.checkpoint")
    return file_sha256(path), preprocessing_of(_settings(config, pretrained), config, tokenizer)


def meta_model(encoder: EncoderConfig) -> MetaModel:
    """The model of a configuration, on the default device; no checkpoint is opened."""
    settings = _settings(encoder.config, encoder.pretrained)
    config = model_config_of(settings)
    model = build(config, encoder.config)
    side, length = config["vision_cfg"].get("image_size", 224), config["text_cfg"].get("context_length", 77)
    return image_text_model(model, config["embed_dim"], side, length)


def _settings(config: str | None, pretrained: str | None) -> dict[str, Any]:
    return registered(config, pretrained) if pretrained else read_config(config)


def preprocessing_of(settings: dict[str, Any], name: str | None = None, tokenizer: str | None = None) -> dict[str, Any]:
    """Preprocessing and architecture as plain values. (The weights alone do not determine the activation and the heads.)"""
    model_config = model_config_of(settings)
    require_open_clip(model_config, name)
    text = model_config["text_cfg"]
    vocab_size, context_length = text.get("vocab_size", CLIP_VOCABULARY), text.get("context_length", 77)
    named = text.get("hf_tokenizer_name")
    if named and tokenizer is None:
        raise UserError(f"encoder.config={name} asks for the tokenizer {named}: fetch it and set encoder.tokenizer to its folder")
    if folder := folder_of(tokenizer):
        fed = {"tokenizer": named or "folder", "sha256": folder_sha256(folder), "options": _tokenizer_options(text)}
    else:
        fed = {"tokenizer": tokenizer_name(vocab_size, tokenizer or _named_in(settings))}
    return {
        "image": image_settings(model_config, settings.get("preprocess_cfg"), name),
        "text": {"tokenizer": "", "vocab_size": vocab_size, "context_length": context_length, **fed},
        "model": model_config,
    }


def model_config_of(settings: dict[str, Any]) -> dict[str, Any]:
    """The model's own part of a configuration: without the word of its tokenizer, which is not open_clip's."""
    return {key: value for key, value in settings.get("model_cfg", settings).items() if key != TOKENIZER}


def _named_in(settings: dict[str, Any]) -> str | None:
    """The word of a tokenizer that a configuration names."""
    named: str | None = settings.get(TOKENIZER) or settings.get("model_cfg", {}).get(TOKENIZER)
    return named


def with_tokenizer(settings: dict[str, Any], tokenizer: str | None) -> dict[str, Any]:
    """The configuration with the word for hashed words in it, where encoder.tokenizer gives it and nothing else says so."""
    vocab_size = model_config_of(settings).get("text_cfg", {}).get("vocab_size", CLIP_VOCABULARY)
    unknown = tokenizer_name(vocab_size, _named_in(settings)) == NO_TOKENIZER
    return {**settings, TOKENIZER: tokenizer} if unknown and tokenizer == HashTokenizer.name else settings


def _tokenizer_options(text: dict[str, Any]) -> dict[str, Any]:
    return {**(text.get("tokenizer_kwargs") or {}), **({"tokenizer_mode": text["tokenizer_mode"]} if text.get("tokenizer_mode") else {})}


def _tokenizer(fed: dict[str, Any], tokenizer: str | None) -> Any:
    if folder := folder_of(tokenizer):
        made = FolderTokenizer(folder, fed["vocab_size"], fed["context_length"], fed["options"])
        made.open()
        return made
    return tokenizer_for(fed["vocab_size"], fed["context_length"], fed["tokenizer"])


def require_open_clip(config: dict[str, Any], name: str | None = None) -> None:
    """Raise UserError unless `config` is of an open_clip model with open_clip's own text tower."""
    absent = [key for key in ("embed_dim", "vision_cfg", "text_cfg") if key not in config]
    if absent:
        raise UserError(f"encoder.config={name} is not an open_clip model: it lacks {', '.join(absent)}")
    require_open_clip_fields(config, name)
    require_sizes(config, name)
    if reported := config["text_cfg"].get("hf_model_name"):
        raise UserError(f"encoder.config={name} asks for hf_model_name={reported!r}; only open_clip's own text towers are supported")


def registered(model: str | None, tag: str) -> dict[str, Any]:
    """The settings of a model and tag in open_clip's registry. Without the tag a checkpoint file loses all settings but the sizes.

    Raises UserError, with the choices, for an unknown model or tag. Nothing is fetched.
    """
    import open_clip

    if model not in open_clip.list_models():
        raise UserError(f"encoder.config={model} is no model of open_clip's registry, as encoder.pretrained={tag} asks; one is ViT-B-16")
    reported, tags = open_clip.get_pretrained_cfg(model, tag), open_clip.list_pretrained_tags_by_model(model)
    if not reported:
        raise UserError(f"encoder.pretrained={tag} is no tag of {model}; choose one of: {', '.join(tags) or 'none'}")
    own = open_clip.get_model_config(model)
    return {
        "model_cfg": {**own, "quick_gelu": bool(own.get("quick_gelu") or reported.get("quick_gelu"))},
        "preprocess_cfg": {key: reported[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in reported},
    }


def build(config: dict[str, Any], name: str | None = None) -> nn.Module:
    """open_clip's model from its JSON configuration, with random weights. `name` is the configuration's name in errors.

    Raises UserError if the configuration is of another model, or has a Hugging Face text tower.
    """
    require_open_clip(config, name)
    from open_clip.model import CLIP, CustomTextCLIP

    own = {**config, "vision_cfg": {**config["vision_cfg"], "timm_model_pretrained": False}}  # weights come from the checkpoint alone
    made = CustomTextCLIP if own.pop("custom_text", False) else CLIP
    try:
        with offline():
            model: nn.Module = made(**own)
    except (TypeError, ValueError, ArithmeticError, AssertionError, RuntimeError, AttributeError, KeyError, OSError) as error:
        raise UserError(f"encoder.config={name} is not an open_clip model: {first_line(error)}") from None
    return model


def image_settings(model_config: dict[str, Any], preprocess: dict[str, Any] | None = None, name: str | None = None) -> dict[str, Any]:
    """The image preprocessing as plain values; mean and std are OpenAI's unless the configuration has others.

    Raises UserError for a field that open_clip does not have, or a value that it does not take.
    """
    vision, given = model_config["vision_cfg"], {k: v for k, v in (preprocess or {}).items() if v is not None}
    _require_known(given, name)
    found = {
        "size": given.get("size", vision.get("image_size", 224)),
        "resize_mode": given.get("resize_mode", "shortest"),
        "interpolation": given.get("interpolation", "bicubic"),
        "mean": _three(given.get("mean", vision.get("image_mean") or OPENAI_MEAN)),
        "std": _three(given.get("std", vision.get("image_std") or OPENAI_STD)),
    }
    return found | ({"fill_color": given["fill_color"]} if given.get("fill_color") else {})  # 0 is open_clip's: hashes stay as they were


def _three(value: Any) -> list[float]:
    return list(value) if isinstance(value, list | tuple) else [value] * 3


def _require_known(given: dict[str, Any], name: str | None) -> None:
    for field, value in given.items():
        choices, where = PREPROCESS.get(field), f"encoder.config={name}: preprocess_cfg.{field}"
        if choices is None:
            raise UserError(f"{where} is unknown; choose one of: {', '.join(PREPROCESS)}")
        if choices and value not in choices:
            raise UserError(f"{where}={value!r} is unknown; choose one of: {', '.join(choices)}")


def image_transform(image: dict[str, Any]) -> Any:
    """open_clip's own transform for inference: PIL image -> float32 (3, H, W)."""
    from open_clip.transform import image_transform as open_clip_transform

    return open_clip_transform(
        image["size"],
        is_train=False,
        mean=tuple(image["mean"]),
        std=tuple(image["std"]),
        resize_mode=image["resize_mode"],
        interpolation=image["interpolation"],
        fill_color=image.get("fill_color", 0),
    )
