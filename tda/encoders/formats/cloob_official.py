"""CLOOB as its authors released it (ml-jku/cloob): the same towers as OpenAI's CLIP under other names, ResNet and ViT.

Hopfield retrieval is part of the loss: some checkpoints hold its scale, which the encoders do not use.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from tda.encoders.base import Encoder
from tda.encoders.formats.openai import Sizes, encoder_of, meta_model, model_of, preprocessing_of, require, sizes_of, weights
from tda.encoders.tokens import require_word, tokenizer_for, tokenizer_name
from tda.encoders.weights.local_copy import fit, local_file, read_config, read_file, state_dict_of
from tda.errors import UserError
from tda.store.files import file_sha256

__all__ = ["describe", "load", "meta_model"]  # the model without weights is OpenAI's: the configurations have the same fields

# The text tower is one nested module with its own transformer.
_NESTED = re.compile(r"transformer\.(?=(transformer|token_embedding|positional_embedding|ln_final|text_projection)\b)")


class LossyTokenizer:
    """Upstream's truncation: a caption that is too long loses its end token, so the largest id, where it is pooled, is the start token."""

    def __init__(self, vocab_size: int, context_length: int, named: str | None = None) -> None:
        self._whole = tokenizer_for(vocab_size, context_length + 1, named)  # ends captions that are too long one column too late
        self.name = self.name_for(vocab_size, named)
        self.vocab_size, self.context_length = vocab_size, context_length

    @staticmethod
    def name_for(vocab_size: int, named: str | None = None) -> str:
        return f"{tokenizer_name(vocab_size, named)}, cut without its end"

    def __call__(self, texts: list[str]) -> Tensor:
        """B captions -> (B, L) int64, padding 0."""
        return self._whole(texts)[:, : self.context_length]


def load(
    checkpoint: str, config: str | None = None, device: str = "auto", precision: str = "fp32", *, tokenizer: str | None = None
) -> Encoder:
    """The model with its preprocessing; features are not normalised, as upstream's are not.

    Sizes come from the weights, text heads from `config` (upstream's JSON), by default the file that the checkpoint names, beside it.
    `vision_layers` decides between ViT and ResNet: upstream decides by `backbone_architecture`, which its own ViT files lack.
    Raises UserError, in one line, for files that are missing, damaged, would run code, or belong to another model.
    """
    path, state, sizes = _read(checkpoint, config)
    model = model_of(sizes)
    fit(model, state, path)
    tokenize = LossyTokenizer(sizes.vocab_size, sizes.context_length, require_word(tokenizer))
    return encoder_of(model, sizes, path, tokenize, device=device, precision=precision)


def describe(checkpoint: str, config: str | None = None, tokenizer: str | None = None) -> tuple[str, dict[str, Any]]:
    """`weights_sha256` and `preprocessing` as from `load`, without building the model."""
    path, _, sizes = _read(checkpoint, config)
    return file_sha256(path), preprocessing_of(sizes, LossyTokenizer.name_for(sizes.vocab_size, require_word(tokenizer)))


def _read(checkpoint: str, config: str | None) -> tuple[Path, dict[str, Tensor], Sizes]:
    path = local_file(checkpoint, "encoder.checkpoint")
    loaded = read_file(path)
    name = config or _named_config(loaded, path)
    settings = read_config(name)
    state = weights(own_names(state_dict_of(loaded, path)))
    sizes = sizes_of(state, path)
    require(sizes, settings, name, path, ignore=("transformer_heads",))
    return path, state, replace(sizes, transformer_heads=settings["transformer_heads"])


def own_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Upstream's names -> OpenAI's, without the scale of the Hopfield loss."""
    renamed = {_NESTED.sub("", key, count=1): value for key, value in state.items() if key != "logit_scale_hopfield"}
    return {"logit_scale" if key == "logit_inv_tau" else key: value for key, value in renamed.items()}


def _named_config(loaded: Any, path: Path) -> str:
    named = loaded.get("model_config_file") if isinstance(loaded, Mapping) else None
    beside = path.with_name(Path(str(named)).name)
    if named is None or not beside.is_file():
        raise UserError(
            f"checkpoint {path} does not contain its text heads: set encoder.config to the model's JSON ({named or 'RN50.json'})"
        )
    return str(beside)
