"""The names of all files under a root."""

import re
from dataclasses import dataclass

from tda.errors import UserError
from tda.store.files import join

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=@-]{0,159}")


def check_name(kind: str, name: str) -> str:
    """Return `name` if it is a valid folder or file name on every store; raises UserError if not."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UserError(
            f"{kind}={name!r} cannot name a file; use letters, digits and . _ + = @ -, beginning with a letter or digit, at most 160"
        )
    return name


@dataclass(frozen=True)
class RootPaths:
    """URLs of the files under `root`. Every method raises UserError for a name that is not safe as a file name."""

    root: str

    def _url(
        self,
        *parts: str,
        dataset: str | None = None,
        encoder: str | None = None,
        reference: str | None = None,
        shard: str | None = None,
    ) -> str:
        names = (("dataset.name", dataset), ("encoder.name", encoder), ("reference.name", reference), ("shard", shard))
        for kind, name in names:
            if name is not None:
                check_name(kind, name)
        return join(self.root, *parts)

    def embeddings_dir(self, dataset: str, encoder: str) -> str:
        return self._url("embeddings", dataset, encoder, dataset=dataset, encoder=encoder)

    def embedding(self, dataset: str, encoder: str, shard: str) -> str:
        return self._url("embeddings", dataset, encoder, f"{shard}.parquet", dataset=dataset, encoder=encoder, shard=shard)

    def records_dir(self, dataset: str, encoder: str) -> str:
        return self._url("embeddings", dataset, encoder, "_records", dataset=dataset, encoder=encoder)

    def record(self, dataset: str, encoder: str, shard: str) -> str:
        """The commit: without it the shard's Parquet does not exist."""
        return self._url("embeddings", dataset, encoder, "_records", f"{shard}.json", dataset=dataset, encoder=encoder, shard=shard)

    def quarantine(self, dataset: str, encoder: str, shard: str) -> str:
        return self._url("quarantine", dataset, encoder, f"{shard}.parquet", dataset=dataset, encoder=encoder, shard=shard)

    def quarantine_dir(self, dataset: str, encoder: str) -> str:
        return self._url("quarantine", dataset, encoder, dataset=dataset, encoder=encoder)

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
        return self._url("nearest", "_layouts", reference, encoder, content, encoder=encoder, reference=reference)

    def analysis_dir(self, dataset: str, encoder: str) -> str:
        return self._url("analysis", dataset, encoder, dataset=dataset, encoder=encoder)

    def metrics(self, dataset: str, encoder: str) -> str:
        return self._url("analysis", dataset, encoder, "metrics.json", dataset=dataset, encoder=encoder)

    def dedupe_dir(self, dataset: str, encoder: str, reference: str) -> str:
        return self._url("dedupe", dataset, encoder, check_name("reference.name", reference), dataset=dataset, encoder=encoder)

    def kept(self, dataset: str, encoder: str, reference: str) -> str:
        return join(self.dedupe_dir(dataset, encoder, reference), "kept.parquet")

    def dedupe_summary(self, dataset: str, encoder: str, reference: str) -> str:
        """The record of kept.parquet, written last."""
        return join(self.dedupe_dir(dataset, encoder, reference), "summary.json")

    def hashes_dir(self, digest: str) -> str:
        """Sorted hashes of a data set's URLs and captions, by the digest of its rows: no data set's name begins with an underscore."""
        return self._url("dedupe", "_hashes", digest)

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
        return self._url("runs", check_name("run", run_id), "config.yaml")

    def toy_shards_dir(self, dataset: str) -> str:
        return self._url("shards", dataset, dataset=dataset)
