"""The cost of a model, for plans. Apart from `tda.encoders.flops`, which counts it, so that a plan can be made without loading torch."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModelCost:
    """`first` and `second` are FLOPs of one row of each modality, texts at full length: shorter captions cost less."""

    first: int
    second: int
    parameters: int
    dim: int
    pixels: int  # the side of its image; 0 for text models

    @property
    def pair(self) -> int:
        return self.first + self.second
