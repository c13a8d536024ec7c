"""The names of all files under a root."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tda.errors import UserError
from tda.store.files import join

RUNS = "runs"
TOP_FOLDERS = (  # of a root
    "embeddings",
    "quarantine",
    "models",
    "analysis",
    "nearest",
    "dedupe",
    "report",
    RUNS,
    "selections",
    "shards",
    "sweeps",
    "units",
    "watch",
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=@-]{0,159}")
CELL = re.compile(r"(.+)/sweeps/[^/]+/[0-9a-f]{8}-[^/]*")
ANY_CELL = re.compile(r"(.+)/sweeps/[^/]+/[0-9a-f]{8}[@-][^/]*")
UNSAFE = re.compile(r"[^A-Za-z0-9._+=-]+")
LABEL = re.compile(r"(.+)@((?:image|text|both|either)-{1,2}[0-9][^@]*)")  # of a view by another rule or threshold


def check_name(kind: str, name: str) -> str:
    """Return `name` if it is a valid folder or file name on every store; raises UserError if not."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UserError(
            f"{kind}={name!r} cannot name a file; use letters, digits and . _ + = @ -, beginning with a letter or digit, at most 160"
        )
    return name


def base_of(root: str) -> str:
    """The root around a cell of a sweep, `<root>/sweeps/<name>/<cell>`; any other root is its own.

    The folder of a cell is a root of its own for its results. Embeddings, dedupe results and what is found once for all cells are those of
    the root around it, unless the cell holds its own: then its name has @ after the hash.
    """
    found = CELL.fullmatch(root.rstrip("/"))
    return found[1] if found else root


def outer_root(root: str) -> str:
    """The root around a cell of a sweep, also where the cell holds embeddings of its own; any other root is its own."""
    found = ANY_CELL.fullmatch(root.rstrip("/"))
    return found[1] if found else root


def cell_name(digest: str, values: Mapping[str, Any], *, own: bool) -> str:
    """The name of a cell: 8 hexadecimal digits, then the swept values. `own`: it holds embeddings of its own."""
    words = "-".join(f"{key.rpartition('.')[2] if key.rpartition('.')[2] != 'name' else key}={value}" for key, value in values.items())
    return f"{digest}{'@' if own else '-'}{UNSAFE.sub('_', words)}"[:120]


def label_of(reference: str) -> tuple[str, str]:
    """`<reference>@<label>` as its two parts; the label is empty for a reference without one."""
    found = LABEL.fullmatch(reference)
    return (found[1], found[2]) if found else (reference, "")


@dataclass(frozen=True)
class RootPaths:
    """URLs of the files under `root`. Every method raises UserError for a name that is not safe as a file name."""

    root: str

    @property
    def base(self) -> str:
        """The root of the embeddings: `root` itself, or the one around a cell of a sweep."""
        return base_of(self.root)

    def _url(
        self,
        *parts: str,
        dataset: str | None = None,
        encoder: str | None = None,
        reference: str | None = None,
        shard: str | None = None,
        base: bool = False,
    ) -> str:
        names = (("dataset.name", dataset), ("encoder.name", encoder), ("reference.name", reference), ("shard", shard))
        for kind, name in names:
            if name is not None:
                check_name(kind, name)
        return join(self.base if base else self.root, *parts)

    def embeddings_dir(self, dataset: str, encoder: str) -> str:
        return self._url("embeddings", dataset, encoder, dataset=dataset, encoder=encoder, base=True)

    def embedding(self, dataset: str, encoder: str, shard: str) -> str:
        return self._url("embeddings", dataset, encoder, f"{shard}.parquet", dataset=dataset, encoder=encoder, shard=shard, base=True)

    def records_dir(self, dataset: str, encoder: str) -> str:
        return self._url("embeddings", dataset, encoder, "_records", dataset=dataset, encoder=encoder, base=True)

    def record(self, dataset: str, encoder: str, shard: str) -> str:
        """The commit: without it the shard's Parquet does not exist."""
        return self._url(
            "embeddings", dataset, encoder, "_records", f"{shard}.json", dataset=dataset, encoder=encoder, shard=shard, base=True
        )

    def quarantine(self, dataset: str, encoder: str, shard: str) -> str:
        return self._url("quarantine", dataset, encoder, f"{shard}.parquet", dataset=dataset, encoder=encoder, shard=shard, base=True)

    def quarantine_dir(self, dataset: str, encoder: str) -> str:
        return self._url("quarantine", dataset, encoder, dataset=dataset, encoder=encoder, base=True)

    def nearest_dir(self, dataset: str, encoder: str, reference: str) -> str:
        return self._url("nearest", dataset, encoder, reference, dataset=dataset, encoder=encoder, reference=reference)

    def nearest(self, dataset: str, encoder: str, reference: str, shard: str) -> str:
        return join(self.nearest_dir(dataset, encoder, reference), f"{check_name('shard', shard)}.parquet")

    def nearest_records_dir(self, dataset: str, encoder: str, reference: str) -> str:
        return join(self.nearest_dir(dataset, encoder, reference), "_records")

    def nearest_record(self, dataset: str, encoder: str, reference: str, shard: str) -> str:
        return join(self.nearest_records_dir(dataset, encoder, reference), f"{check_name('shard', shard)}.json")

    def nearest_audit(self, dataset: str, encoder: str, reference: str) -> str:
        return join(self.nearest_dir(dataset, encoder, reference), "audit.json")

    def cells_dir(self, reference: str, encoder: str, content: str) -> str:
        """The reference by cell, under the hash of its rows and cell settings; no data set's name begins with ``_``."""
        return self._url("nearest", "_layouts", reference, encoder, content, encoder=encoder, reference=reference, base=True)

    def analysis_dir(self, dataset: str, encoder: str) -> str:
        return self._url("analysis", dataset, encoder, dataset=dataset, encoder=encoder)

    def metrics(self, dataset: str, encoder: str) -> str:
        return self._url("analysis", dataset, encoder, "metrics.json", dataset=dataset, encoder=encoder)

    def dedupe_dir(self, dataset: str, encoder: str, reference: str) -> str:
        """The results against `<reference>`; those of another rule or threshold are at `<reference>@<label>`, in its folder `views`."""
        plain, label = label_of(check_name("reference.name", reference))
        views = ("views", label) if label else ()
        return self._url("dedupe", dataset, encoder, plain, *views, dataset=dataset, encoder=encoder, base=True)

    def kept(self, dataset: str, encoder: str, reference: str) -> str:
        return join(self.dedupe_dir(dataset, encoder, reference), "kept.parquet")

    def dedupe_summary(self, dataset: str, encoder: str, reference: str) -> str:
        """The record of kept.parquet, written last."""
        return join(self.dedupe_dir(dataset, encoder, reference), "summary.json")

    def selection(self, dataset: str, digits: str) -> str:
        """Which pairs of a data set a user has chosen; the same for every encoder."""
        return self._url("selections", dataset, f"{digits}.json", dataset=dataset, base=True)

    def hashes_dir(self, digest: str) -> str:
        """Sorted hashes of a data set's URLs and captions, by the digest of its rows: no data set's name begins with an underscore."""
        return self._url("dedupe", "_hashes", digest, base=True)

    def model_dir(self, encoder: str) -> str:
        return self._url("models", encoder, encoder=encoder)

    def report(self) -> str:
        return self._url("report", "index.html")

    def watch_dir(self, encoder: str) -> str:
        """The ledger of the checkpoints of a training run."""
        return self._url("watch", encoder, encoder=encoder)

    def watched(self, encoder: str) -> str:
        """All checkpoints of a training run with their states: made from the ledger, for the report."""
        return join(self.watch_dir(encoder), "checkpoints.json")

    def run_config(self, run_id: str) -> str:
        """The settings of one run of a command."""
        return self._url(RUNS, check_name("run", run_id), "config.yaml")

    def sweep_dir(self, sweep: str) -> str:
        return self._url("sweeps", check_name("sweep.name", sweep))

    def sweep(self, sweep: str) -> str:
        """The cells of a sweep, with their states, values and numbers."""
        return join(self.sweep_dir(sweep), "sweep.json")

    def sweep_cell(self, sweep: str, cell: str) -> str:
        """The folder of a cell's results."""
        return join(self.sweep_dir(sweep), check_name("cell", cell))

    def units_dir(self, dataset: str) -> str:
        """The units of a data set that is not in tars: see `tda.store.shards.units.unit`."""
        return self._url("units", dataset, dataset=dataset)

    def toy_shards_dir(self, dataset: str) -> str:
        return self._url("shards", dataset, dataset=dataset)
