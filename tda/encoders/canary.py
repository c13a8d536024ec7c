"""The canary: a few drawn images and captions that every model must encode before its first shard.

A checkpoint that fits its configuration can still give wrong vectors: an activation other than in training, a faulty device or precision,
towers that give every input the same vector. The vectors of fixed inputs show all of these.

Legend: N inputs, D dimensions, H, W pixels, K numbers of a vector in a digest.
"""

import base64
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tda.errors import UserError
from tda.source_digest import source_digest

if TYPE_CHECKING:
    from tda.config.models import EncoderConfig
    from tda.encoders.base import Encoder

ALIKE = 0.9999  # cosine of different inputs above which a tower counts as constant
AGREES = {"fp32": 0.9999, "bf16": 0.999, "fp16": 0.999}  # least cosine to float32 on the CPU; bfloat16 keeps 8 bits of a number
SIDE = 64  # pixels
_VERSION = "c1"  # of the inputs and the digest
_K = 4
_STEP = 2**-10  # of a digest's numbers, which are projections of unit vectors on directions of length sqrt(D)
_APART = 4 * _STEP  # another machine's float32 moves them by 1e-5, GELU instead of QuickGELU by more than ten steps


@dataclass(frozen=True)
class Canary:
    """Unit rows in float32: `image_ND` of the first modality, `text_ND` of the second.

    `digest` is short and, unlike a hash, can be compared within a tolerance: `same_digest`.
    """

    digest: str
    image_ND: NDArray[np.float32]
    text_ND: NDArray[np.float32]


def canary(encoder: "Encoder") -> Canary:
    """The vectors of the fixed inputs by `encoder`, on its device and in its precision.

    Raises UserError if a row holds NaN or infinity or is zero, or if all rows of a modality are alike.
    """
    first, second = encoder.modalities
    vectors = [_rows(encoder, modality) for modality in (first, second)]
    return Canary(_digest(vectors), *vectors)


def vouch(config: "EncoderConfig", encoder: "Encoder") -> dict[str, Any]:
    """Check `encoder`, loaded by `config`, with the canary. Returns the entry of a shard's record.

    `cosine` is the least cosine to the same model in float32 on the CPU, not compiled. That reference is computed once for each node, and
    not at all if `encoder` is such a model. Raises UserError if `encoder` differs from it, or from `config.canary`.
    """
    try:
        found = canary(encoder)
        is_reference = (encoder.device.type, encoder.precision, encoder.compiled) == ("cpu", "fp32", False)
        wanted = found if is_reference else _reference(config, encoder)
    except UserError as error:
        raise UserError(f"encoder {config.name} is refused: {error}") from None
    except (RuntimeError, IndexError) as error:  # torch's: a missing kernel, too little memory
        reported = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise UserError(f"encoder {config.name} is refused: it fails on {encoder.device}: {reported[0][:200]}") from error
    if config.canary is not None and not same_digest(wanted.digest, config.canary):
        raise UserError(
            f"encoder {config.name} is refused: encoder.canary={config.canary} is of other vectors than {wanted.digest}; the "
            "activation, preprocessing or tokenizer may not be the one that the model was evaluated with"
        )
    cosine = agreement(found, wanted)
    if not cosine >= AGREES[encoder.precision]:
        raise UserError(f"encoder {config.name} is refused: {_blame(encoder, wanted, cosine)}")
    return {"digest": wanted.digest, "device": encoder.device.type, "precision": encoder.precision, "cosine": round(cosine, 6)}


def agreement(one: Canary, other: Canary) -> float:
    """Least cosine of a row of `one` and the same row of `other`."""
    cosines = [(a_ND * b_ND).sum(1) for a_ND, b_ND in ((one.image_ND, other.image_ND), (one.text_ND, other.text_ND))]
    return float(np.concatenate(cosines).min())


def same_digest(one: str, other: str) -> bool:
    """Whether two digests are of the same vectors, up to float32 differences between machines. Raises UserError for an invalid digest."""
    a, b = _numbers(one), _numbers(other)
    return a.shape == b.shape and bool(np.abs(a - b).max() <= _APART)


def _blame(encoder: "Encoder", wanted: Canary, cosine: float) -> str:
    """Blame the precision if the device is right in float32, else the device."""
    reported = f"{encoder.precision} on {encoder.device} gives cosine {cosine:.5f} to float32 on the CPU"
    asked, encoder.precision = encoder.precision, "fp32"
    right = asked != "fp32" and agreement(canary(encoder), wanted) >= AGREES["fp32"]
    encoder.precision = asked
    if right:
        return f"{reported}, at least {AGREES[asked]} is required; the device is right in float32: set encoder.precision=fp32"
    return f"{reported}, at least {AGREES[asked]} is required: this device computes something else"


def _rows(encoder: "Encoder", modality: str) -> NDArray[np.float32]:
    inputs = _images() if modality == "image" else captions(encoder.preprocessing["text"]["context_length"])
    middle = len(inputs) - 2  # the two long captions are a separate batch: they would lengthen the padding of the short ones
    parts = [inputs[:middle], inputs[middle:]]
    raw = [[encoder.prepare(modality, item) for item in part] for part in parts]
    x_ND = np.concatenate([encoder.encode(modality, encoder.batch(modality, part)).cpu().numpy() for part in raw]).astype(np.float64)
    norm_N = np.linalg.norm(x_ND, axis=1)
    if not np.isfinite(norm_N).all():
        raise UserError(f"its {modality} vectors hold NaN or infinity")
    if not norm_N.all():
        raise UserError(f"its {modality} vectors are zero")
    unit_ND = x_ND / norm_N[:, None]
    if (unit_ND @ unit_ND.T).min() > ALIKE:
        raise UserError(f"it gives every {modality} the same vector, as untrained or partly loaded weights do")
    rounded_ND: NDArray[np.float32] = unit_ND.astype(np.float32)
    return rounded_ND


def captions(context_length: int) -> list[str]:
    """An empty caption, CLIP's word of id 0 (no padding) and another, a sentence, non-ASCII letters, as many words as fit, too many."""
    return [
        "",
        "!~",
        "a red square above a blue circle",
        "Ein Zürcher Kätzchen, 東京の猫 🐈",
        " ".join(["a"] * (context_length - 2)),
        " ".join(["the dog"] * context_length),
    ]


@cache
def _images() -> list[Image.Image]:
    """A ramp, stripes, a disc and noise, in colours, by integer arithmetic, so that they are the same bytes on every machine."""
    y_HW, x_HW = np.mgrid[:SIDE, : SIDE + 16]
    ramp = np.stack([x_HW * 3, y_HW * 3, 255 - x_HW - y_HW], axis=-1)
    stripes = np.where(((x_HW // 8 + y_HW // 16) % 2)[..., None] == 0, (240, 200, 20), (20, 40, 160))
    disc = np.where(((x_HW - 40) ** 2 + (y_HW - 30) ** 2 < 400)[..., None], (200, 30, 40), (225, 225, 215))
    noise = (((x_HW * 7919 + y_HW * 104729) ** 2 // 64)[..., None] * (1, 3, 7)) % 256
    return [Image.fromarray(pixels.astype(np.uint8)) for pixels in (ramp, stripes, disc, noise)]


def _digest(vectors: list[NDArray[np.float32]]) -> str:
    steps = [np.rint(x_ND.astype(np.float64) @ _directions(x_ND.shape[1]).T / _STEP) for x_ND in vectors]
    packed = np.concatenate([part.ravel() for part in steps]).clip(-32768, 32767).astype("<i2").tobytes()
    return f"{_VERSION}:{base64.urlsafe_b64encode(packed).decode()}"


def _directions(dim: int) -> NDArray[np.float64]:
    """(K, D) of +-1, by a multiplicative hash: random generators may change between versions."""
    mixed = np.arange(1, _K * dim + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.where(mixed >> np.uint64(63), 1.0, -1.0).reshape(_K, dim)


def _numbers(digest: str) -> NDArray[np.float64]:
    version, _, packed = digest.partition(":")
    try:
        steps = np.frombuffer(base64.b64decode(packed if version == _VERSION else "?", b"-_", validate=True), dtype="<i2")
        return steps * _STEP
    except ValueError:
        raise UserError(f"encoder.canary={digest!r} is no canary of this version ({_VERSION}:...); a shard's record holds one") from None


def _reference(config: "EncoderConfig", encoder: "Encoder") -> Canary:
    """The same model in float32 on the CPU: computed by a node's first process, then cached."""
    from dataclasses import replace

    from tda.encoders import load_configured
    from tda.encoders.weights.fetched import cache_dir
    from tda.encoders.weights.local_copy import once

    kept = cache_dir() / "canaries" / f"{_content_hash(encoder)}.npz"
    with once(kept) as missing:
        if missing:
            made = canary(load_configured(replace(config, precision="fp32"), "cpu"))
            finished = kept.with_suffix(".tmp.npz")
            np.savez(finished, image_ND=made.image_ND, text_ND=made.text_ND)
            finished.replace(kept)
    with np.load(kept) as arrays:
        vectors = [arrays["image_ND"], arrays["text_ND"]]
    return Canary(_digest(vectors), *vectors)


def _content_hash(encoder: "Encoder") -> str:
    """Hash of everything that decides the reference: weights, preprocessing, and the code, so that vectors of older code are not used."""
    import hashlib
    import json

    import torch

    content = {
        "weights": encoder.weights_sha256,
        "fed": encoder.preprocessing,
        "code": source_digest("tda.encoders"),
        "torch": torch.__version__,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:32]
