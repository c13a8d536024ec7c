"""Who an encoder is, by content: what goes into the identity of a run before any model is built."""

from typing import Any

from tda.config.models import EncoderConfig
from tda.encoders import opened, options_of


def describe(encoder: EncoderConfig, resize: str | None = None) -> tuple[str, dict[str, Any]]:
    """`weights_sha256` of the checkpoint, and everything else in the configuration that changes a vector, as plain values.

    `resize` is the run's way of resizing images; it counts where the encoder takes images.

    No model is built: a run that has nothing left to do should not spend the seconds which that, or importing open_clip, takes.
    Raises UserError for a configuration or checkpoint that is missing or is refused when it is read.
    """
    reader, path, options = opened(encoder.format, encoder.checkpoint, encoder.sha256, encoder.source, options_of(encoder))
    weights_sha256, preprocessing = reader.describe(path, encoder.config, **options)
    reported = {**preprocessing, "precision": encoder.precision}
    return weights_sha256, {**reported, "resize": resize} if resize and "image" in preprocessing else reported
