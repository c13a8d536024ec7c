"""Selections: `<base>-only-<digits>` is the rows of `<base>` that a user has chosen, the same pairs under every encoder.

The digits are the beginning of the hash of what is chosen: the same choice has the same name. `selections/<base>/<digits>.json` lists shard
and ordinals; rows are read in place.

K rows chosen of a shard.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tda.errors import UserError
from tda.store.documents import read_document, seal_holds, sealed
from tda.store.files import publish_json
from tda.store.paths import RootPaths

SCHEMA = 1
DIGITS = 10
ONLY = re.compile(rf"(.+)-only-([0-9a-f]{{{DIGITS}}})")


@dataclass(frozen=True)
class Selection:
    """The rows of `base` that the document `digits` lists. A base may be a view or a selection itself."""

    base: str
    digits: str

    @property
    def name(self) -> str:
        return f"{self.base}-only-{self.digits}"


def selection_of(name: str) -> Selection | None:
    """The selection of a name `<base>-only-<digits>`; None for any other name."""
    found = ONLY.fullmatch(name)
    return Selection(found[1], found[2]) if found else None


def publish_selection(root: str, selection: Selection, ordinals: Mapping[str, Sequence[int]]) -> None:
    """Write which ordinals of which shards are chosen."""
    url = RootPaths(root).selection(selection.base, selection.digits)
    publish_json(
        url, sealed({"schema": SCHEMA, "dataset": selection.base, "ordinals": {shard: list(one) for shard, one in ordinals.items()}})
    )


class ChosenRows:
    """The rows of a selection in the shards of its base, as `KeptRows` of a view.

    `rows_of` gives the base's ordinals of a shard by its index, ascending, and their indices in its Parquet. A pair that the base lacks
    under this encoder is left out. Raises UserError where the selection is not there, or its document was changed.
    """

    def __init__(self, root: str, selection: Selection, shards: Sequence[str], rows_of: Callable[[int], tuple[Any, Any]]) -> None:
        url = RootPaths(root).selection(selection.base, selection.digits)
        try:
            found = read_document(url)
        except FileNotFoundError:
            command = f"python -m jobs.analyze dataset.name={selection.base} dataset.keep=@FILE encoder.name=NAME root={root}"
            raise UserError(f"{selection.name} is not chosen yet: {command}") from None
        except ValueError as error:
            raise UserError(f"{url} is not JSON: {error}") from None
        if found.get("schema") != SCHEMA or seal_holds(found) is not True or not isinstance(found.get("ordinals"), dict):
            raise UserError(f"{url} is no selection of schema {SCHEMA}, or was changed after it was written: choose the rows again")
        self._rows = {index: _places(found["ordinals"].get(shard), partial(rows_of, index)) for index, shard in enumerate(shards)}
        self.content = [selection.digits]
        self.counts = [len(row_K) for row_K in self._rows.values()]

    def rows(self, index: int) -> NDArray[np.int64]:
        """(K,) indices in the Parquet of shard `index`, ascending."""
        return self._rows[index]


def _places(wanted: Sequence[int] | None, rows: Callable[[], tuple[Any, Any]]) -> NDArray[np.int64]:
    if not wanted:
        return np.empty(0, np.int64)
    ordinal_N, place_N = rows()
    return np.asarray(place_N[np.isin(ordinal_N, np.asarray(wanted))], np.int64)
