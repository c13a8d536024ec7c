"""Pictures of pairs on sheets: one JPEG for many, which a page shows by its parts and loads when it needs them.

P pairs.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tda.config.stages import ReportConfig
from tda.progress import report_progress
from tda.report.data.pictures import withheld
from tda.report.explorer.models import Model
from tda.report.explorer.pairs import Pairs
from tda.store.datasets.row_lookup import Gone, encoded_images
from tda.store.images.decode import PixelError, decode_rgb

SHEET = 1536  # pixels of a sheet's sides, at most
QUALITY = 82
Array = NDArray[Any]


@dataclass(kw_only=True)
class Sprites:
    """`picture_P`: the number of each pair's picture, -1 for none; picture n is the (n % (columns * rows))-th of its sheet, row by row."""

    picture_P: Array
    side: int = 0
    columns: int = 0
    rows: int = 0
    sheets: list[bytes] = field(default_factory=list)
    gone: dict[str, str] = field(default_factory=dict)  # path of a shard -> why its pictures are missing


def sprites_of(root: str, models: Sequence[Model], pairs: Pairs, wanted_P: Array, config: ReportConfig) -> Sprites:
    """Sheets of the pictures of these pairs, at most `config.pictures`, each shard read once; without those that may not be read."""
    made = Sprites(picture_P=np.full(len(pairs), -1, np.int32))
    sources = _sources(models, pairs, wanted_P[: config.pictures])
    reasons = {shard: withheld(root, source, network=config.network) for shard, source in sources.items()}
    made.gone |= {str(sources[shard].get("path", "")): reason for shard, reason in reasons.items() if reason}
    places = _places(pairs, wanted_P[: config.pictures], {name: one for name, one in sources.items() if not reasons[name]})
    members = {str(source.get("path", "")): source.get("members") for source in sources.values()}
    pictures: dict[int, Image.Image] = {}
    for item in encoded_images({path: list(ordinals) for path, ordinals in places.items()}, members):
        if isinstance(item, Gone):
            made.gone[item.path] = item.reason
            continue
        path, ordinal, data = item
        if (picture := _small(data, config)) is not None:
            pictures[places[path][ordinal]] = picture
        report_progress(len(pictures), len(wanted_P[: config.pictures]), "pictures")
    if pictures:
        _lay_out(pictures, made)
    return made


def _sources(models: Sequence[Model], pairs: Pairs, wanted_P: Array) -> dict[str, Mapping[str, Any]]:
    """By name of a shard what its record has of its source, from the first model that holds it."""
    wanted = {pairs.shards[i] for i in np.unique(pairs.shard_P[wanted_P]).tolist()}
    sources: dict[str, Mapping[str, Any]] = {}
    for model in models:
        if model.embeddings is not None:
            records = model.embeddings.records(sorted((wanted - set(sources)) & set(model.embeddings.shards)))
            sources |= {shard: record.source for shard, record in records.items()}
    return sources


def _places(pairs: Pairs, wanted_P: Array, sources: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[int, int]]:
    """By path of a shard: ordinal -> pair."""
    places: dict[str, dict[int, int]] = {}
    for pair in wanted_P.tolist():
        shard = pairs.shards[int(pairs.shard_P[pair])]
        if shard in sources:
            places.setdefault(str(sources[shard]["path"]), {})[int(pairs.ordinal_P[pair])] = pair
    return places


def _small(data: bytes, config: ReportConfig) -> Image.Image | None:
    side = config.picture_side
    try:
        image = decode_rgb(data, config.max_pixels, draft=(2 * side, 2 * side), formats=config.formats)
    except (PixelError, MemoryError):
        return None
    image.thumbnail((side, side))
    return image


def _lay_out(pictures: Mapping[int, Image.Image], made: Sprites) -> None:
    made.side = max(max(picture.size) for picture in pictures.values())
    made.columns = made.rows = max(1, SHEET // made.side)
    each = made.columns * made.rows
    order = sorted(pictures)
    made.picture_P[order] = np.arange(len(order))
    for start in range(0, len(order), each):
        part = order[start : start + each]
        sheet = Image.new("RGB", (made.side * made.columns, made.side * -(-len(part) // made.columns)), (128, 128, 128))
        for place, pair in enumerate(part):
            picture = pictures[pair]
            left, top = (place % made.columns) * made.side, (place // made.columns) * made.side
            sheet.paste(picture, (left + (made.side - picture.width) // 2, top + (made.side - picture.height) // 2))
        out = io.BytesIO()
        sheet.save(out, "JPEG", quality=QUALITY)
        made.sheets.append(out.getvalue())
