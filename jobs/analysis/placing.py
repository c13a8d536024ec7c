"""What places and labels the rows of a shard: the fit, made ready once in each actor, and the columns of `rows/<shard>.parquet`.

M fitted pairs, N rows of a shard, C coordinates of the layout.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from itertools import accumulate

import numpy as np

from jobs.analysis.layout_clusters_homology import Subject, sampled_space
from tda.columns import Columns
from tda.errors import ShardError, UserError
from tda.geometry.arrays.equal_rows import value_hashes
from tda.geometry.arrays.namespace import row_blocks
from tda.geometry.clusters.predict import Predictor
from tda.geometry.parts import layout as layout_part
from tda.geometry.parts import placement as placement_part
from tda.geometry.parts.clusters import UNSAMPLED, Principal, Raw
from tda.geometry.parts.layout import COORDINATES, MODALITIES
from tda.geometry.parts.placement import Fitted, Labelled
from tda.store.datasets.placed import publish_placed, shard_hash
from tda.store.datasets.sampling import Array, read_pairs


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The laid-out pairs and the labelled pairs, (2, ...) images first, and what labels others. `groups`: clusters that are measured."""

    laid_M: Array
    layout_2MC: Array
    labelled_L: Array
    label_2L: Array
    probability_2L: Array
    groups: int
    predictor: Predictor | None
    space: Raw | Principal | None  # that is clustered; None: the layout
    labelled: Labelled | None  # by content, for rows that equal one of them; None where no other row is labelled
    hash: str


def fit_of(subject: Subject, layout: Columns, clusters: Columns) -> Fit:
    """The fit in the tables of the parts umap and clusters. The clustering is made again for rows outside it: its tree is not stored."""
    laid, labelled = (columns["row"][: len(columns["row"]) // 2] for columns in (layout, clusters))
    label_2L, firm_2L = (clusters[name].reshape(2, -1) for name in ("label", "probability"))
    whole = len(laid) == len(labelled) == len(subject.embeddings)
    predictor, space = (None, None) if whole else _predictor(subject, layout, label_2L)
    return Fit(
        laid_M=laid,
        layout_2MC=layout_part.layout_in(layout).reshape(2, len(laid), -1),
        labelled_L=labelled,
        label_2L=label_2L,
        probability_2L=firm_2L,
        groups=min(int(label_2L.max(initial=-1)) + 1, subject.analysis.local_dimension.max_clusters),
        predictor=predictor,
        space=space,
        labelled=None if whole or subject.analysis.rows != "all" else _labelled(subject, labelled, label_2L, firm_2L),
        hash=_hash(subject, layout, clusters),
    )


def _labelled(subject: Subject, rows_L: Array, label_2L: Array, firm_2L: Array) -> Labelled:
    """The labelled rows by their content: those outside the fit were labelled by a vote, which may differ from the predictor."""
    hashes: tuple[list[Array], ...] = tuple([] for _ in MODALITIES)
    for block in row_blocks(len(rows_L), subject.analysis.block_rows):
        for side, x_BD in enumerate(read_pairs(subject.embeddings, rows_L[block], subject.analysis.block_rows)):
            hashes[side].append(value_hashes(x_BD))
    return Labelled.of(np.concatenate([*hashes[0], *hashes[1]]), label_2L.ravel(), firm_2L.ravel())


def _predictor(subject: Subject, layout: Columns, label_2L: Array) -> tuple[Predictor | None, Raw | Principal | None]:
    analysis = subject.analysis
    if analysis.clusters.space == "layout":
        found = placement_part.clustered(layout_part.layout_in(layout), analysis, analysis.clusters.sample)
        return placement_part.predictor_of(found, label_2L.ravel()), None
    _, chosen, space, x_SC = sampled_space(subject)
    found = placement_part.clustered(x_SC, analysis, UNSAMPLED)
    return placement_part.predictor_of(found, label_2L[:, chosen].ravel()), space


def _hash(subject: Subject, layout: Columns, clusters: Columns) -> str:
    """SHA-256 of all that decides the place and the labels of a row: the fitted rows, their places and labels, the settings."""
    analysis, found = subject.analysis, hashlib.sha256()
    settings = [asdict(analysis.umap), asdict(analysis.clusters), analysis.local_dimension.max_clusters, analysis.seed]
    found.update(json.dumps([settings, len(subject.embeddings)], sort_keys=True).encode())
    for name in ("row", *COORDINATES[: 3 if "z" in layout else 2]):
        found.update(np.ascontiguousarray(layout[name]).tobytes())
    for name in ("row", "label", "probability"):
        found.update(np.ascontiguousarray(clusters[name]).tobytes())
    if len(layout["row"]) // 2 < len(subject.embeddings):
        found.update(np.ascontiguousarray(subject.stacked()[1]).tobytes())
    return found.hexdigest()


class ShardPlacer:
    """Places the rows of shards, an actor of Ray or in process. A row's columns depend on it and the fit alone."""

    def __init__(self, subject: Subject, folder: str, fit: Fit) -> None:
        self.subject, self.folder, self.fit = subject, folder, fit
        self._begin = [0, *accumulate(subject.embeddings.rows_per_shard)]
        self._fitted: Fitted | None = None

    def place(self, index: int) -> int:
        """Publish the rows of a shard; returns their number. Raises ShardError for a row that cannot be placed."""
        embeddings = self.subject.embeddings
        shard, rows = embeddings.shards[index], range(embeddings.rows_per_shard[index])
        head = {"shard": shard, "rows_sha256": shard_hash(embeddings, index), "fit": self.fit.hash}
        keys = embeddings.picked(index, rows, ["ordinal", "key"]) if rows else None
        columns = {
            "ordinal": keys["ordinal"].to_numpy() if keys is not None else np.empty(0, np.int64),
            "key": keys["key"].to_numpy() if keys is not None else np.empty(0, str),
        }
        publish_placed(self.folder, head, columns | self._columns(index, shard))
        return len(rows)

    def _columns(self, index: int, shard: str) -> Columns:
        begin, end = self._begin[index : index + 2]
        laid_M, labelled_L = (_inside(rows, begin, end) for rows in (self.fit.laid_M, self.fit.labelled_L))
        fitted_N = np.zeros(end - begin, dtype=bool)
        fitted_N[self.fit.laid_M[laid_M] - begin] = True
        columns: Columns = {"fitted": fitted_N}
        for side, name in enumerate(MODALITIES):
            layout_NC, label_N, firm_N = self._placed(name, begin, end, shard, whole=bool(fitted_N.all()))
            layout_NC[self.fit.laid_M[laid_M] - begin] = self.fit.layout_2MC[side, laid_M]
            label_N[self.fit.labelled_L[labelled_L] - begin] = self.fit.label_2L[side, labelled_L]
            firm_N[self.fit.labelled_L[labelled_L] - begin] = self.fit.probability_2L[side, labelled_L]
            group_N = np.where(label_N < self.fit.groups, label_N, -1).astype(np.int32)
            columns |= {f"{name}_{axis}": layout_NC[:, c] for c, axis in enumerate(COORDINATES[: layout_NC.shape[1]])}
            columns |= {f"{name}_label": label_N, f"{name}_probability": firm_N, f"{name}_group": group_N}
        return columns

    def _placed(self, name: str, begin: int, end: int, shard: str, *, whole: bool) -> tuple[Array, Array, Array]:
        """Places, labels and probabilities of a shard's rows; those of fitted rows are filled in by the caller."""
        count, width = end - begin, self.fit.layout_2MC.shape[2]
        if whole:
            return np.empty((count, width), np.float32), np.full(count, -1, np.int32), np.zeros(count, np.float32)
        read = self.subject.embeddings.image if name == "image" else self.subject.embeddings.text
        try:
            x_ND = read(slice(begin, end))
            found = self.fitted().place(x_ND)
        except UserError as error:
            raise ShardError(shard, "bad_row", f"{name} {error}") from None
        if self.fit.labelled is not None:
            found = self.fit.labelled.carried(found, x_ND)
        return found.layout_NC, found.label_N, found.probability_N

    def fitted(self) -> Fitted:
        """The fitted rows, read at the first use."""
        if self._fitted is None:
            self._fitted = fitted_rows(self.subject, self.fit)
        return self._fitted


def fitted_rows(subject: Subject, fit: Fit) -> Fitted:
    """The fitted rows with their places, ready to place others."""
    return Fitted(
        x_TD=subject.stacked()[1],
        layout_TC=fit.layout_2MC.reshape(-1, fit.layout_2MC.shape[2]),
        predictor=fit.predictor,
        space=fit.space,
        analysis=subject.analysis,
    )


def _inside(rows_M: Array, begin: int, end: int) -> slice:
    return slice(*(int(at) for at in np.searchsorted(rows_M, (begin, end))))
