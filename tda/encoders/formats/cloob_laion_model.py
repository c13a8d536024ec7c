"""The CLOOB ViT of crowsonkb/cloob-training (LAION-400M), with all quirks that its weights were trained with.

Blocks are pre-LN with separate query, key and value projections; there is no final layer norm, the projection has a bias, and the
text tower is not causal and is pooled at position 0. The activation is the exact GELU of the PyTorch port, which made the published
vectors; the JAX original's tanh approximation is 1.4e-4 away. Outputs are L2-normalised.

Shapes: B batch, L positions, W width, D shared space, P patches, H height, W width of pixels in B3HW.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tda.errors import UserError


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.heads = heads

    def forward(self, x_BLW: Tensor, read_BL: Tensor | None) -> Tensor:
        x_BLW = self.norm(x_BLW)
        query, key, value = (part(x_BLW).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value))
        if read_BL is not None:
            # In training the mask was on the wrong axis: it masks whole query rows instead of padding keys. All scores of a
            # masked row were equal, so its attention is uniform over all positions; a query of zeros gives exactly that.
            query = query * read_BL[:, None, :, None]
        mixed = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear_0 = nn.Linear(width, 4 * width)
        self.gelu = nn.GELU()
        self.linear_1 = nn.Linear(4 * width, width)


class Tower(nn.Module):
    """Position embedding, blocks, and a projection of position 0: no layer norm follows the last block."""

    def __init__(self, positions: int, width: int, heads: int, layers: int, dim: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(positions, width) * 0.02)
        self.attention = nn.ModuleList(Attention(width, heads) for _ in range(layers))
        self.feed_forward = nn.ModuleList(FeedForward(width) for _ in range(layers))
        self.proj = nn.Linear(width, dim)

    def forward(self, x_BLW: Tensor, read_BL: Tensor | None = None) -> Tensor:
        x_BLW = x_BLW + self.positions
        for attention, feed_forward in zip(self.attention, self.feed_forward, strict=True):
            x_BLW = x_BLW + attention(x_BLW, read_BL)
            x_BLW = x_BLW + feed_forward(x_BLW)
        features_BD: Tensor = self.proj(x_BLW[:, 0])
        return features_BD


class ImageTower(nn.Module):
    def __init__(self, config: dict[str, Any], dim: int) -> None:
        super().__init__()
        width, patch = config["d_model"], config["patch_size"]
        patches = (config["image_size"] // patch) ** 2
        self.patches = nn.Conv2d(config["input_channels"], width, patch, patch, bias=False)
        self.class_embed = nn.Parameter(torch.randn(width) * 0.02)
        self.tower = Tower(patches + 1, width, config["n_heads"], config["n_layers"], dim)

    def forward(self, pixels_B3HW: Tensor) -> Tensor:
        patches_BPW = self.patches(pixels_B3HW).flatten(2).transpose(1, 2)
        first_B1W = self.class_embed.to(patches_BPW.dtype).expand(len(patches_BPW), 1, -1)
        features_BD: Tensor = self.tower(torch.cat([first_B1W, patches_BPW], 1))
        return features_BD


class TextTower(nn.Module):
    def __init__(self, config: dict[str, Any], dim: int) -> None:
        super().__init__()
        self.context_length, self.end = config["text_size"], config["vocab_size"] - 1
        self.tokens = nn.Embedding(config["vocab_size"], config["d_model"])
        self.tower = Tower(self.context_length, config["d_model"], config["n_heads"], config["n_layers"], dim)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        if tokens_BL.shape[-1] != self.context_length:
            # Every row attends to all positions, padding included, so a shorter batch would give other vectors.
            raise UserError(
                f"CLOOB-LAION reads texts of exactly {self.context_length} tokens, padding included, not {tokens_BL.shape[-1]}: "
                f"its attention sees the padding"
            )
        ends_BL = tokens_BL == self.end
        read_BL = ends_BL.cumsum(-1) - ends_BL.long() == 0  # up to and including the first end; all, if a cut text has lost it
        features_BD: Tensor = self.tower(self.tokens(tokens_BL), read_BL)
        return features_BD


class CloobLaion(nn.Module):
    """Both towers, from upstream's JSON configuration."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.image = ImageTower(config["image_encoder"], config["d_embed"])
        self.text = TextTower(config["text_encoder"], config["d_embed"])

    def encode_image(self, pixels_B3HW: Tensor) -> Tensor:
        return functional.normalize(self.image(pixels_B3HW).float(), dim=-1)

    def encode_text(self, tokens_BL: Tensor) -> Tensor:
        return functional.normalize(self.text(tokens_BL).float(), dim=-1)
