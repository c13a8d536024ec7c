"""Pixels and captions -> vectors. `load` opens any supported checkpoint; `FORMATS` names the module that reads each format."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tda.config import models
from tda.errors import UserError

if TYPE_CHECKING:
    from tda.config.models import EncoderConfig
    from tda.encoders.base import Encoder

# format -> a module with load(checkpoint, config, device, precision, **options), describe(checkpoint, config, **options) and
# meta_model(encoder), its model without weights
FORMATS = {name: f"tda.encoders.formats.{name}" for name in models.FORMATS}
OPTIONS = {  # fields of the configuration that a format takes beside checkpoint and config
    "open_clip": ("pretrained", "tokenizer"),
    "carp": ("tokenizer",),
    "openai": ("tokenizer",),
    "cloob_official": ("tokenizer",),
    "cloob_laion": ("tokenizer",),
}
HASHED_WORDS = "crc32-words"  # value of encoder.tokenizer for models that were trained on hashed words
NO_TOKENIZER = "unknown"  # name of the tokenizer of a vocabulary that is not CLIP's and that no setting names
MODALITIES = {"carp": ("passage", "review")}  # the others embed images and texts


def load(
    format: str,  # noqa: A002 (the public name)
    checkpoint: str | None,
    config: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    *,
    sha256: str | None = None,
    source: str | None = None,
    **options: str | None,
) -> "Encoder":
    """A model with the preprocessing and tokenizer that it was evaluated with.

    Parameters
    ----------
    format: one of `FORMATS`.
    checkpoint, config: paths, or any fsspec URL; a remote file is fetched once for each node. `pkg://package/path` is a file of a package.
    device: auto | cpu | cuda.
    precision: fp32 | bf16 | fp16 | auto (on CUDA bf16, for ResNets fp16).
    sha256: of the checkpoint, or its first 8 or more digits: another file is refused before it is opened.
    source: where the original is published, for the error when it is missing.
    options: `pretrained` (open_clip: a tag of its registry), `tokenizer` (carp, open_clip: a folder; all but carp: crc32-words).

    Raises UserError for an unknown format, and for files that are missing, damaged or of another model.
    """
    reader, path, given = opened(format, checkpoint, sha256, source, options)
    encoder: Encoder = reader.load(path, config, device, precision, **given)
    return encoder


def opened(
    format: str,  # noqa: A002 (the public name)
    checkpoint: str | None,
    sha256: str | None,
    source: str | None,
    options: dict[str, str | None],
) -> tuple[Any, str, dict[str, str]]:
    """The module that reads the format, the checkpoint's path on this machine, and the options that were given; raises as `load`."""
    from tda.encoders.weights.local_copy import local_file

    reader = reader_of(format)
    given = {name: value for name, value in options.items() if value is not None}
    for name in given.keys() - set(OPTIONS.get(format, ())):
        raise UserError(f"encoder.{name}={given[name]!r} is no option of the format {format}")
    return reader, str(local_file(checkpoint, "encoder.checkpoint", sha256, source)), given


def reader_of(format: str) -> Any:  # noqa: A002 (as in `load`)
    """The module that reads a format; raises UserError for an unknown one."""
    if format not in FORMATS:
        raise UserError(f"encoder.format={format!r} is unknown; choose one of: {', '.join(FORMATS)}")
    return import_module(FORMATS[format])


def load_configured(encoder: "EncoderConfig", device: str = "auto") -> "Encoder":
    """The model of a configuration or preset: see `load`."""
    from tda.encoders.weights.fetched import checkpoint_of

    named = {"sha256": encoder.sha256, "source": encoder.source, **options_of(encoder)}
    return load(encoder.format, checkpoint_of(encoder), encoder.config, device, encoder.precision, **named)


def describe(encoder: "EncoderConfig", resize: str | None = None) -> tuple[str, dict[str, Any]]:
    """The identity of an encoder: `weights_sha256` of the checkpoint, and all other settings that change a vector, as plain values.

    `resize` is the run's resizing mode; it counts only for encoders of images.

    No model is built, and open_clip is not imported: a run with nothing left to do should not take those seconds.
    Raises UserError for a configuration or checkpoint that is missing or refused.
    """
    from tda.encoders.weights.fetched import checkpoint_of

    reader, path, options = opened(encoder.format, checkpoint_of(encoder), encoder.sha256, encoder.source, options_of(encoder))
    weights_sha256, preprocessing = reader.describe(path, encoder.config, **options)
    if preprocessing.get("text", {}).get("tokenizer", "").startswith(NO_TOKENIZER):
        from tda.encoders.tokens import unknown_vocabulary

        raise UserError(f"encoder.name={encoder.name}: {unknown_vocabulary(preprocessing['text']['vocab_size'])}")
    reported = {**preprocessing, "precision": encoder.precision}
    return weights_sha256, {**reported, "resize": resize} if resize and "image" in preprocessing else reported


def modalities_of(format: str) -> tuple[str, str]:  # noqa: A002 (as in `load`)
    """The modalities of a pair's two members, for models of a format."""
    return MODALITIES.get(format, ("image", "text"))


def options_of(encoder: "EncoderConfig") -> dict[str, str | None]:
    """The configuration fields that only some formats have."""
    return {"pretrained": encoder.pretrained, "tokenizer": encoder.tokenizer}
