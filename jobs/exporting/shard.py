"""The task of `jobs.export`. It stands in a module that workers import: in that of a command it would be of `__main__`, which they lack."""

from functools import lru_cache

from tda.errors import ShardError
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.export.arrays import export_clip_retrieval, export_parquet
from tda.store.export.records import Export
from tda.store.export.tars import export_tar


def export_shard(export: Export, number: int) -> int | str:
    """The pairs of one exported shard, or the line that names why it could not be."""
    rows = _rows(export.root, export.dataset, export.encoder, export.content)
    shard = rows.shards[number]
    try:
        if rows.digest != export.content:
            raise ShardError(shard, "changed", "the rows were replaced meanwhile: run again")  # noqa: TRY301 (named as all others are)
        if export.format == "webdataset":
            source = rows.records([shard])[shard].source
            return export_tar(export, shard, source, set(rows.ordinals(number).tolist()))
        table = rows.shard_table(number)
        return export_parquet(export, shard, table) if export.format == "parquet" else export_clip_retrieval(export, shard, number, table)
    except ShardError as error:
        return str(error)


@lru_cache(maxsize=1)
def _rows(root: str, dataset: str, encoder: str, content: str) -> EmbeddingSet:
    """The rows, listed once a worker; `content` is part of what they are remembered by."""
    _ = content
    return EmbeddingSet(root, dataset, encoder)
