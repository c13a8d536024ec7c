"""Whether numbers are of rows that the root no longer holds: those of a data set that was replayed or embedded again since."""

from collections.abc import Mapping
from typing import Any

from tda.errors import LacunaError
from tda.store.datasets.embedding_set import EmbeddingSet


def of_other_rows(root: str, dataset: str, encoder: str, metrics: Mapping[str, Any]) -> bool:
    """Whether metrics.json was measured on other rows than there are now; False where it does not say, or no rows are at hand."""
    recorded = metrics.get("rows_sha256")
    if recorded is None:
        return False
    try:
        return bool(EmbeddingSet(root, dataset, encoder).digest != recorded)
    except (LacunaError, OSError):  # the embeddings are under another root
        return False
