"""The present state of any shard: a file, or a unit of files."""

from collections.abc import Iterable

from tda.errors import ShardError
from tda.store.files import file_sha256
from tda.store.shards import changed
from tda.store.shards.units.read import places_of, unit_sha256, unit_source_now
from tda.store.shards.units.unit import is_unit, planned_source
from tda.store.types import Source


def source_now(url: str) -> Source | None:
    """Size and etag of one shard; None where it is not there."""
    if not is_unit(url):
        return changed.source_now(url)
    try:
        return unit_source_now(url)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ShardError as error:
        if error.reason == "missing":
            return None
        raise


def current_sources(urls: Iterable[str]) -> dict[str, Source]:
    """As `tda.store.shards.changed.current_sources`; of units as they were cut, which the caller has just done."""
    listed = list(urls)
    units = {url: planned_source(url) for url in listed if is_unit(url)}
    return units | changed.current_sources(url for url in listed if not is_unit(url))


def content_sha256(url: str) -> str:
    """The digest that a record of the shard holds, made anew. Raises OSError and ShardError."""
    return unit_sha256(url) if is_unit(url) else file_sha256(url)


def reachable(root: str, path: str) -> bool:
    """Whether a source, and for a unit every file of it, may be looked at unasked. Raises ShardError for a unit that cannot be read."""
    if not changed.reachable(root, path):
        return False
    return not is_unit(path) or all(changed.reachable(root, place) for place in places_of(path))
