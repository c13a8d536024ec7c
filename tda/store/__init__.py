"""Bytes at rest: tar shards in, Parquet and commit records out."""

from tda.store.datasets.embedding_set import Block, EmbeddingSet

__all__ = ["Block", "EmbeddingSet"]
