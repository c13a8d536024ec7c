"""OpenAI's CLIP, ResNet and ViT: a TorchScript archive as released, or a state dict of the same names.

The architecture is open_clip's CLIP with QuickGELU. Its sizes are inferred from the weights; a given configuration is checked
against them. Weights are converted to float32; upstream's own loader converts even float32 weights to float16.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tda.config.models import EncoderConfig
from tda.encoders.base import Encoder, MetaModel, image_text_model
from tda.encoders.formats.open_clip import OPENAI_MEAN, OPENAI_STD, build, image_transform
from tda.encoders.formats.trim_text import CutText
from tda.encoders.tokens import require_word, tokenizer_for, tokenizer_name
from tda.encoders.weights.local_copy import fit, local_file, read_config, read_state_dict
from tda.errors import UserError
from tda.store.files import file_sha256

_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # integer buffers of the archives


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The fields of OpenAI's and ml-jku's configurations."""

    embed_dim: int
    image_resolution: int  # pixels
    vision_layers: int | list[int]  # one number: ViT; four: ResNet
    vision_width: int
    vision_patch_size: int | None  # pixels; none for a ResNet
    context_length: int
    vocab_size: int
    transformer_width: int
    transformer_heads: int
    transformer_layers: int


def load(
    checkpoint: str, config: str | None = None, device: str = "auto", precision: str = "fp32", *, tokenizer: str | None = None
) -> Encoder:
    """The model with its preprocessing; features are not normalised, as upstream's are not.

    Raises UserError, in one line, for files that are missing, damaged, would run code, or do not fit `config`.
    """
    path, state, sizes = _read(checkpoint, config)
    model = model_of(sizes)
    fit(model, state, path)
    tokenize = tokenizer_for(sizes.vocab_size, sizes.context_length, require_word(tokenizer))
    return encoder_of(model, sizes, path, tokenize, device=device, precision=precision)


def describe(checkpoint: str, config: str | None = None, tokenizer: str | None = None) -> tuple[str, dict[str, Any]]:
    """`weights_sha256` and `preprocessing` as from `load`, without building the model."""
    path, _, sizes = _read(checkpoint, config)
    return file_sha256(path), preprocessing_of(sizes, tokenizer_name(sizes.vocab_size, require_word(tokenizer)))


def meta_model(encoder: EncoderConfig) -> MetaModel:
    """The model of a configuration, on the default device; no checkpoint is opened."""
    config = read_config(encoder.config)
    _require_fields(config, encoder.config)
    sizes = Sizes(**{field.name: config[field.name] for field in fields(Sizes)})
    return image_text_model(model_of(sizes), sizes.embed_dim, sizes.image_resolution, sizes.context_length)


def _read(checkpoint: str, config: str | None) -> tuple[Path, dict[str, Tensor], Sizes]:
    path = local_file(checkpoint, "encoder.checkpoint")
    state = weights(read_state_dict(path))
    sizes = sizes_of(state, path)
    if config:
        require(sizes, read_config(config), config, path)
    return path, state, sizes


def weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters and BatchNorm statistics among `state`, floats as float32."""
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items() if key not in _NOT_WEIGHTS}


def sizes_of(state: Mapping[str, Tensor], path: Path) -> Sizes:
    """Sizes from a state dict's shapes. Text heads are 64 wide, which the weights do not show. Raises UserError if a key is missing."""
    try:
        text_width = len(state["ln_final.weight"])
        positions = len(state["visual.positional_embedding" if _is_vit(state) else "visual.attnpool.positional_embedding"])
        patch = state["visual.conv1.weight"].shape[-1] if _is_vit(state) else None
        stages = [_count(state, f"visual.layer{stage}.") for stage in (1, 2, 3, 4)]
        return Sizes(
            embed_dim=state["text_projection"].shape[1],
            image_resolution=round((positions - 1) ** 0.5) * (patch or 32),  # a ResNet's grid is 32 times coarser than its pixels
            vision_layers=_count(state, "visual.transformer.resblocks.") if _is_vit(state) else stages,
            vision_width=len(state["visual.conv1.weight" if _is_vit(state) else "visual.layer1.0.conv1.weight"]),
            vision_patch_size=patch,
            context_length=len(state["positional_embedding"]),
            vocab_size=len(state["token_embedding.weight"]),
            transformer_width=text_width,
            transformer_heads=max(1, text_width // 64),
            transformer_layers=_count(state, "transformer.resblocks."),
        )
    except (KeyError, IndexError, TypeError) as error:
        raise UserError(f"checkpoint {path} is not of this CLIP layout: it lacks {error}") from None


def require(sizes: Sizes, config: Mapping[str, Any], name: str, path: Path, ignore: tuple[str, ...] = ()) -> None:
    """Raise UserError, naming the first difference, unless the weights have the sizes of the configuration `name`."""
    _require_fields(config, name)
    for field, found in asdict(sizes).items():
        if field not in ignore and config[field] != found:
            raise UserError(f"encoder.config={name} is another model's: it has {field} {config[field]}, checkpoint {path} has {found}")


def _require_fields(config: Mapping[str, Any], name: str | None) -> None:
    absent = [field.name for field in fields(Sizes) if field.name not in config]
    if absent:
        raise UserError(f"encoder.config={name} is not of this CLIP layout: it lacks {', '.join(absent)}")


def model_of(sizes: Sizes) -> nn.Module:
    """open_clip's CLIP of these sizes with random weights. Vision heads are 64 wide, also in a ResNet's attention pool (32 x its width)."""
    return build(
        {
            "embed_dim": sizes.embed_dim,
            "quick_gelu": True,
            "vision_cfg": {
                "image_size": sizes.image_resolution,
                "layers": sizes.vision_layers,
                "width": sizes.vision_width,
                "patch_size": sizes.vision_patch_size,
                "head_width": 64,
            },
            "text_cfg": {
                "context_length": sizes.context_length,
                "vocab_size": sizes.vocab_size,
                "width": sizes.transformer_width,
                "heads": sizes.transformer_heads,
                "layers": sizes.transformer_layers,
            },
        }
    )


def encoder_of(model: nn.Module, sizes: Sizes, path: Path, tokenizer: Any, *, device: str, precision: str) -> Encoder:
    """The loaded model with its preprocessing."""
    preprocessing = preprocessing_of(sizes, tokenizer.name)
    return Encoder(
        CutText(model),
        preprocess=image_transform(preprocessing["image"]),
        tokenize=tokenizer,
        dim=sizes.embed_dim,
        weights_sha256=file_sha256(path),
        preprocessing=preprocessing,
        device=device,
        precision=precision,
    )


def preprocessing_of(sizes: Sizes, tokenizer: str) -> dict[str, Any]:
    """Preprocessing of OpenAI's evaluation (shortest side, bicubic, centre crop) and architecture, as plain values."""
    return {
        "image": {
            "size": sizes.image_resolution,
            "resize_mode": "shortest",
            "interpolation": "bicubic",
            "mean": list(OPENAI_MEAN),
            "std": list(OPENAI_STD),
        },
        "text": {"tokenizer": tokenizer, "vocab_size": sizes.vocab_size, "context_length": sizes.context_length},
        "model": {**asdict(sizes), "quick_gelu": True},
    }


def _is_vit(state: Mapping[str, Tensor]) -> bool:
    return "visual.class_embedding" in state


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({key.removeprefix(prefix).split(".")[0] for key in state if key.startswith(prefix)})
