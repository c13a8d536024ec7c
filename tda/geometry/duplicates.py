"""Which rows are duplicates: the rule over closest cosines, and groups of near rows within one set.

N rows, D dimensions, E edges, V rows at the ends of edges. Cosines and thresholds lie in [-1, 1].
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tda.errors import UserError
from tda.geometry.neighbors.graph import unit32

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]  # image rows and text rows of one tile


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When a row is a duplicate: its `image` cosine, its `text` cosine, `both`, or `either` reach the threshold of their modality.

    `image` and `text` are the thresholds, cosines. Raises UserError for an unknown name.
    """

    name: str
    image: float
    text: float

    def __post_init__(self) -> None:
        if self.name not in _RULES:
            raise UserError(f"rule={self.name!r} is unknown; choose one of: {', '.join(_RULES)}")

    @property
    def needs(self) -> tuple[str, ...]:
        """The modalities whose cosines the rule uses."""
        return (self.name,) if self.name in ("image", "text") else ("image", "text")

    def holds(self, image: Any, text: Any) -> Any:
        """True where the rule finds a duplicate, elementwise, a cosine equal to the threshold included.

        The cosines of a modality that the rule does not use may be None.
        """
        given = {"image": (image, self.image), "text": (text, self.text)}
        seen = {name: given[name][0] >= given[name][1] for name in self.needs}
        found = seen[self.needs[0]]
        if len(self.needs) == 1:
            return found
        return found & seen["text"] if self.name == "both" else found | seen["text"]


_RULES = ("image", "text", "both", "either")


class Groups:
    """Connected components of N rows: union-find over edges that arrive in any order; a group is named by its first row."""

    def __init__(self, count: int) -> None:
        self._above_N: Ints = np.arange(count)

    def join(self, one_E: npt.NDArray[Any], other_E: npt.NDArray[Any]) -> None:
        """Put the rows at both ends of each edge, (E,) and (E,), into one group."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        ends = np.stack([self._root(one_E), self._root(other_E)])
        ends = ends[:, ends[0] != ends[1]]
        if not ends.size:
            return
        node_V, at = np.unique(ends, return_inverse=True)
        left_E, right_E = at.reshape(2, -1)
        graph = coo_array((np.ones(len(left_E), dtype=np.int8), (left_E, right_E)), shape=(len(node_V), len(node_V)))
        _, label_V = connected_components(graph, directed=False)
        _, first = np.unique(label_V, return_index=True)  # nodes ascend, so the first of a label is its smallest
        self._above_N[node_V] = node_V[first][label_V]

    def first(self) -> Ints:
        """Return the first row of each row's group, (N,): the row itself where it is the first or alone."""
        return self._root(np.arange(len(self._above_N)))

    def _root(self, row_E: npt.NDArray[Any]) -> Ints:
        root_E: Ints = self._above_N[row_E]
        while not np.array_equal(root_E, above_E := self._above_N[root_E]):
            root_E = above_E
        return root_E


def near_edges(one: Pair, other: Pair, rule: Rule) -> Pair:
    """Row numbers (E,), (E,) in two tiles of unit rows between which the rule holds; only modalities that it uses are multiplied."""
    cosine: dict[str, Any] = {"image": None, "text": None}
    for place, name in enumerate(("image", "text")):
        if name in rule.needs:
            cosine[name] = one[place] @ other[place].T
    left_E, right_E = np.nonzero(rule.holds(cosine["image"], cosine["text"]))
    return left_E, right_E


def unit_pair(image_ND: npt.NDArray[Any], text_ND: npt.NDArray[Any]) -> Pair:
    """Both modalities (N, D) as float32 unit rows, from any stored type. Raises UserError for a row that is zero or not finite."""
    return unit32(image_ND), unit32(text_ND)
