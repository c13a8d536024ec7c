"""CLIP's text tower on only as many columns as the batch's captions fill.

This is exact: attention is causal, so no position reads to its right, and pooling takes the position of the largest id (the end). Columns
to the right of every row's largest id cannot affect an output.

Shapes: B batch, L columns, D shared space.
"""

from typing import Any

import torch
from torch import Tensor, nn


class CutText(nn.Module):
    """An open_clip `CLIP` whose `encode_text` takes tokens of any width up to the context and skips columns without an effect."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        assert can_be_cut(clip), "the text tower is not causal, or is pooled elsewhere"
        self.clip = clip

    def encode_image(self, pixels_B3HW: Tensor) -> Tensor:
        features_BD: Tensor = self.clip.encode_image(pixels_B3HW)
        return features_BD

    def encode_text(self, tokens_BL: Tensor) -> Tensor:
        clip, end_B = self.clip, tokens_BL.argmax(-1)
        length = int(end_B.max()) + 1
        x = clip.token_embedding(tokens_BL[:, :length]) + clip.positional_embedding[:length]
        x = clip.ln_final(clip.transformer(x, attn_mask=clip.attn_mask[:length, :length]))
        features_BD: Tensor = x[torch.arange(len(x), device=x.device), end_B] @ clip.text_projection
        return features_BD


def can_be_cut(clip: Any) -> bool:
    """Whether `clip` is an open_clip `CLIP` with a causal text tower, pooled at the largest id and projected by a matrix."""
    return (
        getattr(clip, "attn_mask", None) is not None and clip.text_pool_type == "argmax" and isinstance(clip.text_projection, nn.Parameter)
    )
