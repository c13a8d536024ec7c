"""Contact sheets: the closest pairs of a data set and a reference, query beside match, to be judged by eye.

A sheet is one HTML file that opens from disk; marks stay in the browser and can be saved. The JSON beside it describes it and is written
last: a sheet with the same rows and settings is not made again.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import resources
from itertools import chain
from typing import Any

from tda.config.stages import ReportConfig
from tda.errors import LacunaError
from tda.report.contact.pairs import Pair, pairs_of
from tda.report.contact.thumbnails import Thumbnail, Thumbnails, thumbnails
from tda.report.data.pictures import withheld
from tda.report.data.words import visible
from tda.source_digest import source_digest
from tda.store.commit.versions import sha256_if_there
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.views import content_hash, recorded_name
from tda.store.documents import document_if_whole, entry_of, named_files, sealed
from tda.store.files import join, list_folders, publish_bytes, publish_json
from tda.store.paths import RootPaths
from tda.store.types import VECTORS

FOLDER = "contact"
CAPTION = 500  # characters shown
PAGE = 20  # pairs


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A sheet's description; `file` is relative to the report's folder. Repeats are exact: the same bytes, the same caption."""

    file: str
    dataset: str
    encoder: str
    reference: str
    modality: str
    pairs: int
    same_image: int
    same_caption: int
    same_both: int
    without_image: int  # pairs of which an image could not be shown
    digest: str


SHEET_FIELDS = tuple(one.name for one in fields(Sheet))


@dataclass(frozen=True)
class _Plan:
    """A sheet to make."""

    nearest: NearestSet
    names: tuple[str, str, str]  # data set, encoder, reference
    modality: str
    digest: str

    @property
    def name(self) -> str:
        return "-".join((*self.names, self.modality))


def build_sheets(root: str, datasets: Iterable[tuple[str, str]], config: ReportConfig) -> list[Sheet]:
    """Make every sheet that is missing or out of date, of these (data set, encoder) pairs and of all others with closest rows.

    Shards are read once for all sheets. Stale or damaged closest rows get no sheet.
    """
    if not config.contact:
        return []
    folder = join(RootPaths(root).report().rpartition("/")[0], FOLDER)
    plans = [plan for names in _joins(root, datasets, config) for plan in _plans(root, names, config)]
    current = {plan.name: _up_to_date(folder, plan) for plan in plans}
    chosen = {
        plan.name: pairs_of(root, plan.names, plan.nearest, plan.modality, config.contact) for plan in plans if current[plan.name] is None
    }
    images = _images(chosen.values(), root, config)
    return [current[plan.name] or _publish(folder, plan, chosen[plan.name], images) for plan in plans]


def _joins(root: str, datasets: Iterable[tuple[str, str]], config: ReportConfig) -> list[tuple[str, str, str]]:
    """(data set, encoder, reference) of every possible sheet, without a set's closest rows in itself."""
    recorded = [(name, encoder) for name in list_folders(join(root, "nearest")) for encoder in list_folders(join(root, "nearest", name))]
    every = dict.fromkeys(chain(datasets, recorded))
    encoders = {encoder for _, encoder in every}
    wanted = set(config.contact_encoders) or {name for name in encoders if config.models.get(name) == "CLIP"} or encoders
    return [
        (dataset, encoder, reference)
        for dataset, encoder in every
        if encoder in wanted
        for reference in list_folders(join(root, "nearest", recorded_name(dataset), encoder))
        if recorded_name(reference) != recorded_name(dataset)
    ]


def _plans(root: str, names: tuple[str, str, str], config: ReportConfig) -> list[_Plan]:
    try:
        nearest = NearestSet(root, *names)
    except LacunaError:
        return []
    settings = [config.contact, config.max_pixels, config.formats, config.network, source_digest("tda.report")]
    return [_Plan(nearest, names, modality, content_hash([nearest.digest, modality, settings])) for modality in VECTORS if len(nearest)]


def _up_to_date(folder: str, plan: _Plan) -> Sheet | None:
    url = join(folder, f"{plan.name}.json")
    try:
        whole = document_if_whole(url)
        named = dict(named_files(url, whole))
        found = Sheet(**{name: whole[name] for name in SHEET_FIELDS}) if named and not any(map(_differs, named.items())) else None
    except KeyError:
        return None
    return found if found and found.digest == plan.digest else None


def _differs(named: tuple[str, dict[str, Any]]) -> bool:
    url, entry = named
    return sha256_if_there(url) != entry.get("sha256")


def _images(sheets: Iterable[Sequence[Pair]], root: str, config: ReportConfig) -> Thumbnails:
    """The images of all sheets, every shard read once; a shard that may not be read, or is another now, has a reason instead."""
    sides = [side for pairs in sheets for pair in pairs for side in (pair.query, pair.match) if side.path]
    reasons = {path: withheld(root, source, network=config.network) for path, source in {side.path: side.source for side in sides}.items()}
    wanted: dict[str, set[int]] = {}
    for side in sides:
        if not reasons[side.path]:
            wanted.setdefault(side.path, set()).add(side.id.ordinal)
    members = {side.path: side.source.get("members") for side in sides}
    made = thumbnails(wanted, config.max_pixels, config.formats, members)
    return Thumbnails(made.found, {**made.gone, **{path: reason for path, reason in reasons.items() if reason}})


def _publish(folder: str, plan: _Plan, pairs: list[Pair], images: Thumbnails) -> Sheet:
    both = [tuple(images.found.get(side.place) for side in (pair.query, pair.match)) for pair in pairs]
    same_image = [one is not None and other is not None and one.sha256 == other.sha256 for one, other in both]
    same_caption = [bool(pair.query.caption) and pair.query.caption == pair.match.caption for pair in pairs]
    dataset, encoder, reference = plan.names
    sheet = Sheet(
        file=f"{FOLDER}/{plan.name}.html",
        dataset=dataset,
        encoder=encoder,
        reference=reference,
        modality=plan.modality,
        pairs=len(pairs),
        same_image=sum(same_image),
        same_caption=sum(same_caption),
        same_both=sum(i and c for i, c in zip(same_image, same_caption, strict=True)),
        without_image=sum(not (one and one.uri and other and other.uri) for one, other in both),
        digest=plan.digest,
    )
    page = render(sheet, pairs, images).encode()
    publish_bytes(join(folder, f"{plan.name}.html"), page)
    publish_json(join(folder, f"{plan.name}.json"), sealed({**asdict(sheet), "files": {f"{plan.name}.html": entry_of(page)}}))
    return sheet


def render(sheet: Sheet, pairs: Sequence[Pair], images: Thumbnails) -> str:
    """The page of a sheet. Untrusted text is escaped; only the script of this package may run, by its hash."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("tda.report.contact", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["visible"] = lambda text: visible(text, CAPTION)
    script = resources.files("tda.report.contact").joinpath("sheet.js").read_text()
    return environment.get_template("sheet.html").render(
        sheet=sheet,
        pairs=pairs,
        images=images.found,
        nothing=Thumbnail("", ""),
        gone=_gone(pairs, images),
        page=PAGE,
        css=Markup(resources.files("tda.report.contact").joinpath("sheet.css").read_text()),  # noqa: S704 our own file
        script=Markup(script),  # noqa: S704 our own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _gone(pairs: Sequence[Pair], images: Thumbnails) -> dict[str, str]:
    """Why images of this sheet are missing, by shard."""
    paths = sorted({side.path for pair in pairs for side in (pair.query, pair.match)})
    reported = {path: images.gone[path] for path in paths if path in images.gone}
    return reported | ({"the embeddings": "they are not under this root any more, nor is what they were made of"} if "" in paths else {})
