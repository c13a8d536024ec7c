"""The sizes in a model's configuration, checked before a library builds from them: its own errors name no field, or it builds nonsense."""

from collections.abc import Mapping
from typing import Any

from tda.errors import UserError

MOST_WIDTH, MOST_LAYERS, MOST_PIXELS, MOST_TOKENS = 65_536, 1000, 16_384, 1_048_576  # beyond any model that was published
TOWERS = ("vision_cfg", "text_cfg")
# field -> (largest value, may it be a list)
SIZES: dict[str, tuple[int, bool]] = {
    "embed_dim": (MOST_WIDTH, False),
    "vision_cfg.image_size": (MOST_PIXELS, True),
    "vision_cfg.patch_size": (MOST_PIXELS, True),
    "vision_cfg.width": (MOST_WIDTH, False),
    "vision_cfg.layers": (MOST_LAYERS, True),
    "vision_cfg.head_width": (MOST_WIDTH, False),
    "text_cfg.context_length": (MOST_TOKENS, False),
    "text_cfg.vocab_size": (16 * MOST_TOKENS, False),
    "text_cfg.width": (MOST_WIDTH, False),
    "text_cfg.heads": (MOST_WIDTH, False),
    "text_cfg.layers": (MOST_LAYERS, False),
}
WIDTH, HEAD_WIDTH, TEXT_WIDTH, HEADS, IMAGE_SIZE = 768, 64, 512, 8, 224  # open_clip's, where a configuration has none


def require_sizes(config: Mapping[str, Any], name: str | None) -> None:
    """Raise UserError, naming the field, unless every size is a whole number within bounds and widths divide among their heads."""
    what = f"encoder.config={name} is not an open_clip model"
    for field, (most, listed) in SIZES.items():
        group, _, key = field.rpartition(".")
        place = config[group] if group else config
        if key == "patch_size" and place.get(key) is None and isinstance(place.get("layers"), list | tuple):
            continue  # a ResNet has none
        if key in place and not _sound(place[key], most, listed=listed):
            kind = "a whole number (or a list of these)" if listed else "a whole number"
            why = (
                f": text_cfg.width={place.get('width', TEXT_WIDTH)} cannot be divided among {field}={place[key]}" if key == "heads" else ""
            )
            raise UserError(f"{what}: {field}={place[key]!r} must be {kind} from 1 to {most}{why}")
    if fault := _divided(config):
        raise UserError(f"{what}: {fault}")


def _sound(value: Any, most: int, *, listed: bool) -> bool:
    if listed and isinstance(value, list | tuple):
        return bool(value) and all(_sound(one, most, listed=False) for one in value)
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _divided(config: Mapping[str, Any]) -> str:
    """What is wrong with the heads or patches of a tower; "" where nothing is."""
    vision, text = (config[tower] for tower in TOWERS)
    if not vision.get("timm_model_name") and not isinstance(vision.get("layers"), list):
        width, head = vision.get("width", WIDTH), vision.get("head_width", HEAD_WIDTH)
        if width < head:
            return (
                f"vision_cfg.width={width} has no room for a head of vision_cfg.head_width={head}; give a head_width that divides the width"
            )
        if width % (width // head):
            return f"vision_cfg.width={width} cannot be divided among the {width // head} heads of vision_cfg.head_width={head}"
        image, patch = (_least(vision.get(key, default)) for key, default in (("image_size", IMAGE_SIZE), ("patch_size", 16)))
        if image < patch:
            return f"vision_cfg.image_size={vision.get('image_size')} is smaller than vision_cfg.patch_size={vision.get('patch_size')}"
    width, heads = text.get("width", TEXT_WIDTH), text.get("heads", HEADS)
    if width % heads:
        return f"text_cfg.width={width} cannot be divided among text_cfg.heads={heads}"
    return ""


def _least(value: Any) -> int:
    return min(value) if isinstance(value, list | tuple) else int(value)
