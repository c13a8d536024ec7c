"""The neighbour graph of a set, found once and stored beside its analysis: every layout and every cell of a sweep reads it.

The graph of many rows is found block by block; each is kept, so that a killed run goes on with the blocks that are missing.

N rows, B rows of a block, K neighbours.
"""

import io
import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from jobs.analysis.blocks import Blocks
from tda.geometry.arrays.devices import cuda
from tda.geometry.arrays.rows import to_host
from tda.geometry.neighbors.graph import EXACT_ROWS, GraphSearch, Knn, graph_blocks, knn_graph, whole_graph
from tda.progress import report_progress
from tda.store.commit.parquet import from_binary, is_damage
from tda.store.files import join, read_bytes
from tda.store.tables import META_KEY, publish_table, table_meta

WHOLE_ROWS = 400_000  # above it a graph stays in its blocks
NAME = "_neighbours_{rows}.parquet"  # no table of the analysis: it may be deleted at any time


def stored_graph(folder: str, rows_hash: str, x_ND: Any, k: int, *, seed: int, device: str) -> Knn:
    """The `k` or more nearest neighbours of each row: those stored in `folder` for the same rows, else found now and stored."""
    url = join(folder, NAME.format(rows=len(x_ND)))
    if _fits(table_meta(url), rows_hash, len(x_ND), k) and (stored := _read(url, rows_hash, len(x_ND), k)) is not None:
        return stored
    blocks = Blocks.of(folder, f"neighbours_{len(x_ND)}_{k}", rows_hash) if len(x_ND) > EXACT_ROWS and not cuda(device) else None
    found = knn_graph(x_ND, k, seed=seed, device=device) if blocks is None else _by_blocks(blocks, to_host(x_ND), k, seed)
    if len(x_ND) > WHOLE_ROWS and blocks is not None:
        return found  # its blocks are the stored graph: one file would need its memory three times
    columns = {"index": _binary(found.index_NK, np.int32), "distance": _binary(found.distance_NK, np.float32)}
    publish_table(url, columns, rows_hash, k=k, rows=len(x_ND), metric="cosine", exact=found.exact)
    if blocks is not None:
        blocks.clear()
    return Knn(index_NK=to_host(found.index_NK), distance_NK=to_host(found.distance_NK), exact=found.exact)


def _by_blocks(blocks: Blocks, x_ND: Any, k: int, seed: int) -> Knn:
    """The graph of `knn_graph`, of which the blocks that are kept are read, and the others found and kept."""
    cuts, files = graph_blocks(len(x_ND)), blocks.kept()
    there = sum(f"rows-{rows.start}" in files for rows in cuts)
    if there:
        print(f"lacuna: neighbours: {there} of {len(cuts)} blocks were found before and are kept", file=sys.stderr, flush=True)
    search = cache(lambda: GraphSearch(x_ND, k, seed))

    def found() -> Iterator[Knn]:
        for rows in cuts:
            name = f"rows-{rows.start}"
            block = _block_in(blocks.read(name, files.get(name)), k) if name in files else None
            if block is None:
                block = search().of(rows)
                columns = {"index": _binary(block.index_NK, np.int32), "distance": _binary(block.distance_NK, np.float32)}
                blocks.keep(name, columns | {"exact": np.full(len(block), block.exact)})
            yield block
            report_progress(rows.stop, len(x_ND), "rows with their neighbours")

    return whole_graph(found(), len(x_ND), k)


def _block_in(table: Any, k: int) -> Knn | None:
    if table is None:
        return None
    index_BK, distance_BK = (
        from_binary(table.column(name).combine_chunks(), k, dtype) for name, dtype in (("index", "int32"), ("distance", "float32"))
    )
    return Knn(index_NK=index_BK, distance_NK=distance_BK, exact=bool(table.column("exact")[0].as_py()))


def _binary(x_NK: Any, dtype: Any) -> Any:
    import pyarrow as pa

    host_NK = np.ascontiguousarray(to_host(x_NK).astype(dtype))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(4 * host_NK.shape[1]), len(host_NK), [None, pa.py_buffer(host_NK)])


def _fits(meta: Mapping[str, Any], rows_hash: str, rows: int, k: int) -> bool:
    return meta.get("config_hash") == rows_hash and meta.get("k", 0) >= k and meta.get("rows") == rows


def _read(url: str, rows_hash: str, rows: int, k: int) -> Knn | None:
    """The stored graph, with the metadata of the very file: another run may replace it at any time. None if it is damaged or another."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(read_bytes(url)), page_checksum_verification=True).combine_chunks()
        meta = json.loads(table.schema.metadata[META_KEY])
    except (OSError, pa.ArrowInvalid, TypeError, KeyError, ValueError) as error:
        if isinstance(error, OSError) and not is_damage(error):
            raise
        return None
    if not _fits(meta, rows_hash, rows, k):
        return None
    index_NK, distance_NK = (
        np.ascontiguousarray(from_binary(table.column(name).combine_chunks(), meta["k"], dtype))
        for name, dtype in (("index", "int32"), ("distance", "float32"))
    )
    return Knn(index_NK=index_NK, distance_NK=distance_NK, exact=bool(meta["exact"]))
