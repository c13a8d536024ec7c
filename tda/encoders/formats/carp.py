"""CARP (Matiana et al. 2021, magiCARP v1): two RoBERTa encoders for stories and their reviews, so both modalities are texts.

A text's vector is normalise(proj(normalise(sum over its tokens of the last hidden state))).

Shapes: B batch, L tokens, W width of RoBERTa, D shared space.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from tda.config.models import EncoderConfig
from tda.encoders import MODALITIES
from tda.encoders.base import Encoder, MetaModel
from tda.encoders.formats.allowed import require_roberta_fields
from tda.encoders.tokens import folder_sha256
from tda.encoders.weights.local_copy import first_line, fit, local_file, read_config, read_state_dict
from tda.encoders.weights.offline import offline
from tda.errors import UserError
from tda.store.files import file_sha256

ADDED_TOKEN = "[quote]"  # noqa: S105 (a word of the vocabulary: the last one)
# roberta-large's: RobertaConfig's defaults are another model's (epsilon 1e-12), and the weights do not show them.
ROBERTA_LARGE = {"layer_norm_eps": 1e-5, "max_position_embeddings": 514, "pad_token_id": 1}
TOWERS = {"passage": "A", "review": "B"}


class Carp(nn.Module):
    """Modules are named as in the checkpoints: encA and projA for passages, encB and projB for reviews."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        from transformers import RobertaConfig, RobertaModel

        fields = {**ROBERTA_LARGE, **config["roberta"]}
        roberta, self.pad = RobertaConfig(**fields), int(fields["pad_token_id"])
        self.logit_scale = nn.Parameter(torch.zeros(()))
        for side in TOWERS.values():
            self.add_module(f"enc{side}", nn.ModuleDict({"model": RobertaModel(roberta, add_pooling_layer=False)}))
            self.add_module(f"proj{side}", nn.Linear(roberta.hidden_size, config["latent_dim"], bias=False))

    def encode(self, tokens_BL: Tensor, mask_BL: Tensor, *, side: str, normalise: bool) -> Tensor:
        hidden_BLW = self.get_submodule(f"enc{side}.model")(tokens_BL, attention_mask=mask_BL).last_hidden_state
        pooled_BW = (hidden_BLW.float() * mask_BL[..., None]).sum(1)
        features_BD: Tensor = self.get_submodule(f"proj{side}")(functional.normalize(pooled_BW, dim=-1))
        return functional.normalize(features_BD.float(), dim=-1) if normalise else features_BD


class CarpTokenizer:
    """RoBERTa's byte-pair encoding from a local folder, with the token that CARP added. Texts are padded to the longest of a call."""

    def __init__(self, folder: str | None, vocab_size: int, pad: int, context_length: int) -> None:
        self.folder, self.vocab_size, self.pad, self.context_length = folder, vocab_size, pad, context_length
        self._tokenizer: Any = None

    def __call__(self, texts: list[str]) -> Tensor:
        """B texts -> (B, L) int64; a text of more tokens than RoBERTa has positions is cut, and keeps its end."""
        self._tokenizer = self._tokenizer or self._open()
        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=self.context_length, return_tensors="pt")
        ids_BL: Tensor = tokens["input_ids"]
        return ids_BL

    def _open(self) -> Any:
        from transformers import RobertaTokenizerFast

        folder = Path(self.folder or "")
        if not self.folder or not all((folder / name).is_file() for name in ("vocab.json", "merges.txt")):
            # transformers would silently make an empty vocabulary
            raise UserError(f"encoder.tokenizer={self.folder} is not a folder with roberta-large's vocab.json and merges.txt")
        try:
            with offline():
                tokenizer = RobertaTokenizerFast.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # noqa: BLE001 (the library's compiled part raises bare Exceptions)
            raise UserError(f"encoder.tokenizer={self.folder} holds no RoBERTa tokenizer: {first_line(error)}") from None
        tokenizer.add_tokens([ADDED_TOKEN])  # no effect if the folder has it already
        if len(tokenizer) != self.vocab_size or tokenizer.pad_token_id != self.pad:
            raise UserError(
                f"encoder.tokenizer={self.folder} is another model's: "
                f"it has {len(tokenizer)} tokens, {ADDED_TOKEN} included, and the weights {self.vocab_size}"
            )
        return tokenizer


class CarpEncoder(Encoder):
    """An `Encoder` of two texts: `encode_text` takes the tower's name, and there are no images."""

    modalities = MODALITIES["carp"]

    def encode_text(self, tokens_BL: Tensor, mask_BL: Tensor | None = None, tower: str = "passage", *, normalise: bool = True) -> Tensor:
        """Tokens -> (B, D) float32 by the tower `passage` or `review`; `normalise=False` gives the projection as it is.

        `mask_BL` is 1 at tokens and 0 at padding; by default, whatever is not the padding id is a token.
        """
        if tower not in TOWERS:
            raise UserError(f"tower={tower!r} is unknown; choose one of: {', '.join(TOWERS)}")
        if mask_BL is None:
            mask_BL = (tokens_BL != self.model.pad).long()
        return self._run(partial(self.model.encode, side=TOWERS[tower], normalise=normalise), tokens_BL, mask_BL)

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        return self.encode_text(batch, tower=modality)

    def encode_image(self, pixels_B3HW: Tensor) -> Tensor:
        del pixels_B3HW
        raise UserError("CARP embeds two texts, no images: set dataset.modalities=[passage,review]")


def load(checkpoint: str, config: str | None, device: str = "auto", precision: str = "fp32", tokenizer: str | None = None) -> CarpEncoder:
    """The model of a single-file v1 checkpoint and a JSON with `latent_dim` and `roberta` (RobertaConfig's fields).

    `tokenizer` is a local folder, needed only by `.tokenize`.
    Raises UserError, in one line, for files that are missing, damaged, would run code, or belong to another model.
    """
    settings = read_config(config)
    path = local_file(checkpoint, "encoder.checkpoint")
    model = build(settings, config)
    fit(model, weights(read_state_dict(path)), path)
    preprocessing = preprocessing_of(settings, tokenizer)
    text = preprocessing["text"]
    return CarpEncoder(
        model,
        preprocess=_no_images,
        tokenize=CarpTokenizer(tokenizer, text["vocab_size"], model.pad, text["context_length"]),
        dim=settings["latent_dim"],
        weights_sha256=file_sha256(path),
        preprocessing=preprocessing,
        device=device,
        precision=precision,
    )


def describe(checkpoint: str, config: str | None, tokenizer: str | None = None) -> tuple[str, dict[str, Any]]:
    """`weights_sha256` and `preprocessing` as from `load`, without building the model."""
    settings = read_config(config)
    require_carp(settings, config)
    return file_sha256(local_file(checkpoint, "encoder.checkpoint")), preprocessing_of(settings, tokenizer)


def meta_model(encoder: EncoderConfig) -> MetaModel:
    """The model of a configuration, on the default device; no checkpoint is opened."""
    config = read_config(encoder.config)
    model = build(config, encoder.config)
    tokens = torch.zeros(1, config["roberta"]["max_position_embeddings"] - 2, dtype=torch.long)
    first, second = (partial(model.get_submodule(f"enc{side}.model"), tokens) for side in TOWERS.values())
    return MetaModel(model=model, towers=(first, second), dim=int(config["latent_dim"]), pixels=0)


def preprocessing_of(config: Mapping[str, Any], tokenizer: str | None) -> dict[str, Any]:
    """Preprocessing and architecture as plain values. The tokenizer is identified by its files' content, not its path."""
    roberta = {**ROBERTA_LARGE, **config["roberta"]}
    return {
        "image": {},
        "text": {
            "tokenizer": f"roberta + {ADDED_TOKEN}",
            "sha256": folder_sha256(tokenizer),
            "vocab_size": roberta["vocab_size"],
            "context_length": roberta["max_position_embeddings"] - roberta["pad_token_id"] - 1,  # numbered from padding + 1
        },
        "model": {"latent_dim": config["latent_dim"], "roberta": roberta},
    }


def require_carp(config: Mapping[str, Any], name: str | None) -> None:
    """Raise UserError unless `config` is of a CARP model."""
    absent = [key for key in ("latent_dim", "roberta") if key not in config]
    if absent or "vocab_size" not in config["roberta"]:
        raise UserError(f"encoder.config={name} is not a CARP model: it lacks {', '.join(absent) or 'roberta.vocab_size'}")
    require_roberta_fields(config["roberta"], name)


def build(config: Mapping[str, Any], name: str | None = None) -> Carp:
    """The architecture with random weights. `name` is the configuration's name in errors."""
    require_carp(config, name)
    with offline():
        return Carp(config)


def weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` in float32, without the poolers, which CARP never used, and the position numbers, which are not weights."""
    return {key: value.float() for key, value in state.items() if ".pooler." not in key and not key.endswith(".position_ids")}


def _no_images(image: Image.Image) -> Tensor:
    raise UserError(f"CARP embeds two texts, no images: it was given one of {image.size[0]} x {image.size[1]} pixels")
