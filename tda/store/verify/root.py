"""Check the other files of a root: files that no record names, temporary files, models, joins and views.

The root is listed one folder at a time, so memory is bounded by one listing. Every problem is one line that begins with the name of the
file, as in `tda.store.verify.shard`.
"""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tda.errors import LacunaError
from tda.store.commit.records import IDENTITY_FILE
from tda.store.commit.versions import sha256_if_there
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.placed import FOLDER, problems
from tda.store.datasets.views import View
from tda.store.documents import named_files, read_document, seal_holds
from tda.store.files import exists, filesystem, is_local, join, list_files, list_folders, read_bytes
from tda.store.paths import RootPaths
from tda.store.types import printable
from tda.store.verify.contents import UNREADABLE, Contents, brief, different
from tda.store.verify.shard import Checked

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp|\.writable-[0-9a-f]{12}")

COMPARISONS = "comparisons"  # beside the encoders of a data set: one file for each set of encoders that were compared


@dataclass(frozen=True)
class Temporary:
    """A temporary file of a writer. `age`: seconds since its last change."""

    url: str
    age: float


@dataclass
class Folder:
    """The listings of one data set under one encoder."""

    dataset: str
    encoder: str
    shards: list[str] = field(default_factory=list)  # those with a record
    files: set[str] = field(default_factory=set)
    quarantine_files: set[str] = field(default_factory=set)

    def strays(self, paths: RootPaths, checked: list[Checked]) -> tuple[list[str], list[str]]:
        """(problems, URLs of files that a later attempt replaced and that no record can name again)."""
        problems: list[str] = []
        superseded: list[str] = []
        named = {one.shard: one for one in checked}
        for folder, files, attribute in (
            (paths.embeddings_dir(self.dataset, self.encoder), self.files, "file"),
            (paths.quarantine_dir(self.dataset, self.encoder), self.quarantine_files, "quarantine_file"),
        ):
            for name in sorted(files - {getattr(one, attribute) for one in checked}):
                owner = named.get(name.removesuffix(".parquet")) or named.get(name.rsplit(".", 2)[0])
                unreachable = owner is not None and owner.config_hash and (name in owner.replaces or name == f"{owner.shard}.parquet")
                superseded += [join(folder, name)] if unreachable else []
                problems.append(f"{join(folder, name)}: {'left behind by an earlier attempt' if unreachable else 'no record names it'}")
        return problems, superseded

    def mixed(self, paths: RootPaths, checked: list[Checked]) -> list[str]:
        """Shards whose configuration differs from the first shard's."""
        known = [one for one in checked if one.config_hash]
        if not known:
            return []
        first = known[0]
        claimed = _claimed(join(paths.embeddings_dir(self.dataset, self.encoder), IDENTITY_FILE), first.config_hash)
        return claimed + [
            f"{paths.record(self.dataset, self.encoder, one.shard)}: config {one.config_hash}, {first.shard} has {first.config_hash}"
            for one in known
            if one.config_hash != first.config_hash
        ]


def _claimed(url: str, config_hash: str | None) -> list[str]:
    """The configuration that the folder was taken for must be that of its records; folders of earlier versions do not name it."""
    try:
        found = read_document(url).get("config_hash")
    except FileNotFoundError:
        return []
    except UNREADABLE as error:
        return [f"{url}: cannot be read: {brief(error)}"]
    return [] if found == config_hash else [f"{url}: config {printable(str(found), 64)}, the records have {config_hash}"]


def folders(paths: RootPaths) -> Iterator[Folder]:
    """Every (data set, encoder) with embeddings or a quarantine in the root."""
    pairs = set()
    for top in ("embeddings", "quarantine"):
        for dataset in sub_folders(join(paths.root, top)):
            pairs |= {(dataset, encoder) for encoder in sub_folders(join(paths.root, top, dataset))}
    for dataset, encoder in sorted(pairs):
        yield Folder(
            dataset,
            encoder,
            [name.removesuffix(".json") for name in list_files(paths.records_dir(dataset, encoder), ".json")],
            set(list_files(paths.embeddings_dir(dataset, encoder))),
            set(list_files(paths.quarantine_dir(dataset, encoder))),
        )


def temporaries(root: str) -> Iterator[Temporary]:
    """Temporary files anywhere under the root."""
    fs, path = filesystem(root)
    now, waiting = time.time(), [path]
    while waiting:
        try:
            entries = fs.ls(waiting.pop(), detail=True)
        except FileNotFoundError:  # removed during the walk
            continue
        for entry in entries:
            name = str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]
            if entry["type"] == "directory":
                waiting.append(entry["name"])
            elif TEMPORARY.fullmatch(name):
                yield Temporary(entry["name"] if is_local(fs) else str(fs.unstrip_protocol(entry["name"])), now - _touched(entry, now))


def _touched(entry: dict[str, Any], now: float) -> float:
    when: Any = entry.get("mtime") or entry.get("LastModified") or entry.get("created") or now
    return float(when.timestamp() if hasattr(when, "timestamp") else when)


def check_models(paths: RootPaths, *, deep: bool = True) -> Iterator[str]:
    """Compare weights and step checkpoints with the sha256 in their JSON files."""
    for encoder in sub_folders(join(paths.root, "models")):
        folder = paths.model_dir(encoder)
        names = set(list_files(folder))
        for name in sorted(names):
            stem, _, ending = name.rpartition(".")
            if ending == "pt" and (stem == "model" or stem.startswith("step_")) and f"{stem}.json" not in names:
                yield f"{join(folder, name)}: there is no {stem}.json: training was interrupted here"
            elif ending == "json" and (stem == "model" or stem.startswith("step_")):
                yield from _check_sentinel(folder, stem, names, deep=deep)


def _check_sentinel(folder: str, stem: str, names: set[str], *, deep: bool) -> Iterator[str]:
    url, sentinel = join(folder, f"{stem}.pt"), join(folder, f"{stem}.json")
    try:
        content = read_document(sentinel)
        reported = (content["training"] if stem == "model" else content)["sha256"]
    except UNREADABLE as error:
        yield f"{sentinel}: cannot be read: {type(error).__name__}: {brief(error)}"
        return
    if f"{stem}.pt" not in names:
        yield f"{url}: missing, but there is a {stem}.json"
    elif deep and (found := sha256_if_there(url)) != reported:
        yield f"{url}: sha256 {str(found)[:12]}, {stem}.json has {str(reported)[:12]}"
    elif seal_holds(content) is False:
        yield f"{sentinel}: was changed after it was written: its content is not of its own sha256"
    for file, entry in named_files(sentinel, content):
        if problem := different(file, entry, deep=deep):
            yield f"{file}: {problem} {stem}.json"


def check_derived(paths: RootPaths, contents: Contents | None = None) -> Iterator[str]:
    """Compare joins, views, metrics, layouts, hashes and reports with the rows that they were made from, and with their own digests.

    `contents` counts what it reads. A file is named once, by the first check that it fails.
    """
    contents = contents or Contents()
    found = list(contents.check(paths.root))
    relations = list(_check_relations(paths, deep=contents.deep))
    message = {line.partition(": ")[0] for line in relations}
    yield from relations
    yield from (line for line in found if line.partition(": ")[0] not in message and not _explained(line.partition(": ")[0], message))


def _explained(url: str, message: set[str]) -> bool:
    """Whether a problem of the folder that holds this file was printed: it names the file already, or makes it meaningless."""
    return any(url.startswith(f"{one}/") for one in message)


def _check_relations(paths: RootPaths, *, deep: bool) -> Iterator[str]:
    for kind in ("nearest", "dedupe"):
        for dataset, encoder, reference in _triples(join(paths.root, kind)):
            folder = join(paths.root, kind, dataset, encoder, reference)
            try:
                if kind == "nearest":
                    yield from _check_join(paths, dataset, encoder, reference, deep=deep)
                elif made := _views(paths, dataset, encoder, reference):
                    for one in made:
                        yield from _check_view(paths, View(dataset, one), encoder)
                else:
                    yield f"{folder}: there is no summary.json: the job did not finish"
            except (LacunaError, *UNREADABLE) as error:
                yield f"{folder}: {error if isinstance(error, LacunaError) else f'{type(error).__name__}: {brief(error)}'}"
    for dataset in sub_folders(join(paths.root, "analysis")):
        for encoder in sub_folders(join(paths.root, "analysis", dataset)):
            if encoder != COMPARISONS or exists(paths.metrics(dataset, encoder)):
                yield from _check_metrics(paths, dataset, encoder)


def _views(paths: RootPaths, dataset: str, encoder: str, reference: str) -> list[str]:
    """The references, with their labels, against which there are results."""
    labels = sub_folders(join(paths.dedupe_dir(dataset, encoder, reference), "views"))
    names = [reference, *(f"{reference}@{label}" for label in labels)]
    return [name for name in names if exists(paths.dedupe_summary(dataset, encoder, name))]


def _check_view(paths: RootPaths, view: View, encoder: str) -> Iterator[str]:
    """The kept rows are those of the base, in number and place; also where the summary has no digest of their file."""
    rows = EmbeddingSet(paths.root, view.name, encoder)
    for index in range(len(rows.shards)):
        if len(rows.rows_in_file(index)) != rows.rows_per_shard[index]:
            kept = paths.kept(view.base, encoder, view.reference)
            yield f"{kept}: it has not the rows of shard {rows.shards[index]} in its summary.json"
    next(rows.blocks(1), None)


def _check_join(paths: RootPaths, dataset: str, encoder: str, reference: str, *, deep: bool) -> Iterator[str]:
    records = NearestSet(paths.root, dataset, encoder, reference).records
    folder = paths.nearest_dir(dataset, encoder, reference)
    for shard, record in records.items():
        url = paths.nearest(dataset, encoder, reference, shard)
        if not exists(url):
            yield f"{url}: recorded, but not there"
        elif deep and sha256_if_there(url) != record.output["sha256"]:
            yield f"{url}: its sha256 is not the one in its record"
    for name in list_files(folder, ".parquet"):
        if name.removesuffix(".parquet") not in records:
            yield f"{join(folder, name)}: no record names it"
    if not exists(audit := paths.nearest_audit(dataset, encoder, reference)):
        yield f"{audit}: missing: the job did not finish"


def _check_metrics(paths: RootPaths, dataset: str, encoder: str) -> Iterator[str]:
    url = paths.metrics(dataset, encoder)
    try:
        found = json.loads(read_bytes(url))
        if not isinstance(found, dict) or found.get("schema") != 1:
            yield f"{url}: its schema is not 1"
            return
    except FileNotFoundError:
        yield f"{url}: missing: the job did not finish"
        return
    except UNREADABLE as error:
        yield f"{url}: cannot be read: {brief(error)}"
        return
    try:
        rows = EmbeddingSet(paths.root, dataset, encoder).digest
    except LacunaError:  # the embeddings are under another root, or have problems of their own
        return
    if found.get("rows_sha256", rows) != rows:
        yield f"{url}: its numbers are of other rows than there are now: run jobs.analyze again"
        return
    placed = found.get("rows")
    placed = placed if isinstance(placed, dict) else {}
    sample = placed.get("scope") == "sample" and placed.get("pairs") != found.get("pairs")
    folder = join(paths.analysis_dir(dataset, encoder), FOLDER)
    yield from problems(folder, EmbeddingSet(paths.root, dataset, encoder), None if sample else placed.get("fit"))


def sub_folders(url: str) -> list[str]:
    """Names of the folders in `url` that can be names of data sets or encoders, sorted; none if `url` is missing."""
    return list_folders(url)


def _triples(url: str) -> Iterator[tuple[str, str, str]]:
    for dataset in sub_folders(url):
        for encoder in sub_folders(join(url, dataset)):
            for reference in sub_folders(join(url, dataset, encoder)):
                yield dataset, encoder, reference
