"""What the data files of the explorer hold: plain values and packed arrays, and the entries of its index.

P pairs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tda.report.data.words import visible
from tda.report.explorer.clusters import cluster_list
from tda.report.explorer.columns import Shown
from tda.report.explorer.models import Model
from tda.report.explorer.pairs import Pairs
from tda.report.explorer.payload import packed
from tda.report.explorer.placing import Placed
from tda.report.explorer.sprites import Sprites

CAPTION = 500  # characters of a caption that are shown and searched
WORST = 500  # failures of a model in the list
PICTURED = 50  # of them, with a picture before all others
REASONS = 3  # shards whose pictures are missing, by name
Content = dict[str, Any]


def dataset_content(pairs: Pairs, sprites: Sprites) -> Content:
    """Identities, captions and picture numbers of the pairs."""
    return {
        "shards": pairs.shards,
        "shard": packed(pairs.shard_P, "i4"),
        "ordinal": packed(pairs.ordinal_P, "i4"),
        "keys": pairs.keys,
        "captions": [visible(caption, CAPTION) for caption in pairs.captions],
        "picture": packed(sprites.picture_P, "i4"),
    }


def dataset_entry(models: Sequence[Model], pairs: Pairs, sprites: Sprites, sheets: Sequence[str]) -> Content:
    """Counts, names of the modalities, the sheets of pictures, and why pictures are missing."""
    gone = [f"{visible(path, 200)}: {visible(reason, 200)}" for path, reason in sprites.gone.items()]
    return {
        "pairs": len(pairs),
        "held": pairs.held,
        "all": max(int(model.metrics.get("pairs", 0)) for model in models),
        "modalities": [visible(str(name), 40) for name in models[0].metrics.get("modalities") or ("image", "text")],
        "captions": any(pairs.captions),
        "sprites": {"side": sprites.side, "columns": sprites.columns, "rows": sprites.rows, "sheets": list(sheets)},
        "pictured": int((sprites.picture_P >= 0).sum()),
        "gone": gone[:REASONS],
        "gone_more": max(len(gone) - REASONS, 0),
    }


def model_content(model: Model, shown: Shown, place: Placed, captions: Sequence[str]) -> Content:
    """Places, columns, clusters, failures and closest rows of one model."""
    density = place.density
    return {
        "place": {kind: packed(values, "f4") for kind, values in place.place.items()},
        "number": {kind: packed(values, "f4") for kind, values in shown.number.items()},
        "index": {kind: packed(values, "i4") for kind, values in shown.index.items()},
        "matches": shown.index["texts"].shape[1] if "texts" in shown.index else 0,
        "clusters": cluster_list(shown.index["label"], captions, model.metrics) if "label" in shown.index else [],
        "worst": _worst(shown),
        "references": [_reference(reference) for reference in shown.references],
        "density": density and {**density, "counts": packed(density["counts"], "i4")},
    }


def model_entry(model: Model, content: Mapping[str, Any], pairs: Pairs) -> Content:
    """What the page lists of a model before its file is loaded."""
    metrics = model.metrics
    there = [*content["place"], *content["number"], *content["index"], *(["reference"] if content["references"] else [])]
    return {
        "encoder": model.encoder,
        "pairs": int((pairs.row_P[model.encoder] >= 0).sum()),
        "all": int(metrics.get("pairs", 0)),
        "has": sorted(there),
        "clusters": len(content["clusters"]),
        "gap": (metrics.get("gap") or {}).get("centroid_distance"),
        "top1": ((metrics.get("retrieval") or {}).get("image_to_text") or {}).get("top1"),
        "track": model.track,
        "step": model.step,
    }


def pictured(contents: Sequence[Mapping[str, Any]], count: int) -> NDArray[np.int64]:
    """Pairs in the order in which they get a picture: samples of clusters, failures, then all others, spread at any length."""
    wanted: list[int] = []
    for content in contents:
        wanted += [pair for cluster in content["clusters"] for pair in cluster["samples"]]
        wanted += content["worst"][:PICTURED]
    stride = max(1, int(count * 0.618)) | 1
    while np.gcd(stride, count) > 1:
        stride += 2
    spread = (np.arange(count) * stride) % max(count, 1)
    return np.array(list(dict.fromkeys([*wanted, *spread.tolist()])), np.int64)


def _worst(shown: Shown) -> list[int]:
    """The pairs whose two ranks together are worst, worst first, without those that are hits both ways."""
    if "rank" not in shown.index:
        return []
    rank_2P = shown.index["rank"]
    badness_P = np.where((rank_2P > 0).all(axis=0), np.log(np.maximum(rank_2P, 1)).sum(axis=0), 0)
    return [int(pair) for pair in np.argsort(-badness_P, kind="stable")[:WORST] if badness_P[pair] > 0]


def _reference(reference: Mapping[str, Any]) -> Content:
    sides = {
        modality: {
            "cosine": packed(reference[modality]["cosine"], "f4"),
            "index": packed(reference[modality]["match"]["index"], "i4"),
            "rows": [list(row) for row in reference[modality]["match"]["rows"]],
            "captions": [visible(caption, CAPTION) for caption in reference[modality]["match"]["captions"]],
        }
        for modality in ("image", "text")
    }
    return {"name": reference["name"], **sides}
