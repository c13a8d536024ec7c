"""Parts that a cell of a sweep has in common with the root around it and with other cells: they are copied, not measured again."""

from collections.abc import Iterator, Mapping, Sequence

from jobs.analysis.results.publication import KEYS, TABLES, Made, standing_parts, table_url
from tda.config.jobs import AnalyzeJob
from tda.store.documents import document_if_whole
from tda.store.files import join, list_folders, publish_bytes, read_bytes
from tda.store.paths import RootPaths, base_of


def taken_over(job: AnalyzeJob, hashes: Mapping[str, str], wanted: Sequence[str]) -> Made:
    """The wanted parts with these hashes that the neighbours of a cell hold; their tables are copied beside its metrics.json.

    Empty where the root is no cell of a sweep.
    """
    found = Made(parts={}, keys={}, tables={})
    url = RootPaths(job.root).metrics(job.dataset.name, job.encoder.name)
    for donor in _neighbours(job.root) if wanted else ():
        missing = {name: hashes[name] for name in wanted if name not in found.parts}
        if not missing:
            break
        found = _joined(found, _copied(RootPaths(donor).metrics(job.dataset.name, job.encoder.name), url, missing))
    return found


def _copied(donor: str, url: str, hashes: Mapping[str, str]) -> Made:
    """The parts with these hashes of the metrics.json at `donor`; their tables are copied beside the one at `url`."""
    standing = standing_parts(donor, document_if_whole(donor), hashes)
    parts: dict[str, str] = standing["part_hashes"]
    for name in (name for part in parts for name in TABLES[part]):
        publish_bytes(table_url(url, name), read_bytes(table_url(donor, name)))
    return Made(parts=parts, keys={key: standing[key] for part in parts for key in KEYS[part]}, tables={}, entries=standing["tables"])


def _joined(a: Made, b: Made) -> Made:
    return Made(parts=a.parts | b.parts, keys=a.keys | b.keys, tables={}, entries=a.entries | b.entries)


def _neighbours(root: str) -> Iterator[str]:
    """The root around a cell, then the other cells of its sweep."""
    base = base_of(root)
    if base == root:
        return
    yield base
    cells, _, own = root.rstrip("/").rpartition("/")
    yield from (join(cells, name) for name in list_folders(cells) if name != own)
