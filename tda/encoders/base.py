"""The common interface of all models, whatever the format of their weights.

Shapes: B batch, D dimensions of the shared space, H height, W width, L tokens of the context.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from tda.config.models import PRECISIONS
from tda.errors import UserError


class Encoder:
    """Two towers, with the preprocessing that they were evaluated with and the identity of their weights.

    Parameters
    ----------
    model: an `nn.Module` with `encode_image(pixels_B3HW)` and `encode_text(tokens_BL)`, both giving (B, D).
    preprocess: an RGB image -> float32 (3, H, W), resized, cropped and normalised as the model was evaluated.
    tokenize: B captions -> int64 (B, L).
    dim: D.
    weights_sha256: of the checkpoint's bytes.
    preprocessing: plain values, `{"image": {...}, "text": {...}}`: they are part of a run's identity. Encoders with
        equal `"image"` parts get the same pixels, so everything that changes a pixel must be in it.
    device: auto | cpu | cuda, or any name that torch knows.
    precision: fp32 | bf16 | fp16 (autocast) | auto: see `resolve_precision`.
    """

    modalities = ("image", "text")  # of a pair's two members, in order

    def __init__(
        self,
        model: Any,
        *,
        preprocess: Callable[[Image.Image], Tensor],
        tokenize: Callable[[list[str]], Tensor],
        dim: int,
        weights_sha256: str,
        preprocessing: dict[str, dict[str, Any]],
        device: str = "auto",
        precision: str = "fp32",
    ) -> None:
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device, has_batch_norm=_has_batch_norm(model))
        self.model = _channels_last(model.to(self.device)).eval().requires_grad_(requires_grad=False)
        self.preprocess, self.tokenize = preprocess, tokenize
        self.dim, self.weights_sha256, self.preprocessing = dim, weights_sha256, preprocessing
        self.compiled = False

    def encode_image(self, pixels_B3HW: Tensor) -> Tensor:
        """Preprocessed pixels -> (B, D) float32 on the encoder's device, as the original model returns it.

        Convolutions have channels last in memory: it saves a quarter of a small ViT's time on a CPU, a few percent of a large model's.
        """
        tower = self.model.encode_image
        return self._run(lambda x_B3HW: tower(x_B3HW.contiguous(memory_format=torch.channels_last)), pixels_B3HW)

    def encode_text(self, tokens_BL: Tensor) -> Tensor:
        """Tokens -> (B, D) float32 on the encoder's device, as the original model returns it."""
        return self._run(self.model.encode_text, tokens_BL)

    def compile(self) -> None:
        """Compile both towers with torch.compile at the next batch; one kernel serves all batch sizes above one.

        Compiling takes up to minutes in each process; that batch raises RuntimeError if no compiler is found. Vectors differ from
        uncompiled ones by the rounding of another order of operations.
        """
        for name in ("encode_image", "encode_text", "encode"):
            if tower := getattr(self.model, name, None):
                setattr(self.model, name, torch.compile(tower, dynamic=True))
        self.compiled = True

    def prepare(self, modality: str, item: Any) -> Any:
        """Prepare one decoded image or one text; on any thread."""
        return self.preprocess(item) if modality == "image" else item

    def batch(self, modality: str, prepared: Sequence[Any]) -> Tensor:
        """B prepared items -> the input of `encode`."""
        return torch.stack(list(prepared)) if modality == "image" else self.tokenize(list(prepared))

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """A batch of a modality -> (B, D) float32 on the encoder's device, as the original model returns it."""
        return self.encode_image(batch) if modality == "image" else self.encode_text(batch)

    def fed(self, modality: str) -> str:
        """Encoders with the same value get the same batches of a modality."""
        return json.dumps([modality, self.preprocessing.get(modality, self.preprocessing["text"])], sort_keys=True)

    @torch.inference_mode()
    def _run(self, tower: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        half = torch.float16 if self.precision == "fp16" else torch.bfloat16
        with torch.autocast(self.device.type, half, enabled=self.precision != "fp32"):
            features_BD = tower(*(x.to(self.device, non_blocking=True) for x in inputs))
        return features_BD.float()


@dataclass(frozen=True, kw_only=True)
class MetaModel:
    """A model of a format without weights, and a forward pass of one row for each tower, which `tda.encoders.flops` counts."""

    model: Any
    towers: tuple[Callable[[], Any], Callable[[], Any]]
    dim: int
    pixels: int  # the side of its image; 0 for text models


def image_text_model(model: Any, dim: int, side: int, length: int) -> MetaModel:
    """A `MetaModel` of one image of `side` pixels and one text of `length` tokens, on the default device."""
    pixels, tokens = torch.zeros(1, 3, side, side), torch.zeros(1, length, dtype=torch.long)
    towers = (lambda: model.encode_image(pixels)), (lambda: model.encode_text(tokens))
    return MetaModel(model=model, towers=towers, dim=int(dim), pixels=int(side))


def resolve_device(name: str) -> torch.device:
    """`auto` is CUDA if there is a device, else the CPU. Raises UserError for a missing device."""
    has_cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if has_cuda else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"device={name!r} is unknown; choose one of: auto, cpu, cuda") from None
    if device.type == "cuda" and not has_cuda:
        raise UserError(f"device={name!r}, but torch finds no CUDA device here; use device=cpu or auto")
    return device


def resolve_precision(name: str, device: torch.device, *, has_batch_norm: bool = False) -> str:
    """`auto` is fp32 on the CPU; on CUDA, where 16 bits are twice as fast, bf16 for transformers and fp16 for ResNets.

    A ResNet has BatchNorm's scales between all layers: bfloat16's 8 bits move vectors of a tiny one to cosine .9986 of float32's. float16
    keeps 11 bits (.99999), and these models were trained in its narrow range. Raises UserError for another name.
    """
    if name not in PRECISIONS:
        raise UserError(f"precision={name!r} is unknown; choose one of: {', '.join(PRECISIONS)}")
    if name == "auto":
        return "fp32" if device.type != "cuda" else "fp16" if has_batch_norm else "bf16"
    return name


def _channels_last(model: Any) -> Any:
    for weight in model.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return model


def _has_batch_norm(model: Any) -> bool:
    return any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
