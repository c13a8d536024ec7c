"""What `jobs.ingest` reads: the sources of `tda.store.ingest`, tensors of a .pt, and vectors made from a Gram matrix."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tda.config.jobs import IngestJob
from tda.errors import UserError
from tda.geometry.gram import vectors_of_gram
from tda.store.ingest.arrays import read_array
from tda.store.ingest.batch import VectorSource
from tda.store.ingest.memory import MemorySource
from tda.store.ingest.sources import open_source

TENSORS = (".pt", ".pth")
CAPTIONS = ("caption", "captions", "text_list")  # lists of texts in a .pt
MOST_ROWS = 20_000  # of a Gram matrix: 3.2 GB


def open_job_source(job: IngestJob) -> VectorSource:
    """The source of a job. Raises UserError, naming it, for every fault."""
    if job.gram is not None:
        return _of_gram(job.source, job.gram)
    if job.source.endswith(TENSORS):
        return _of_tensors(job)
    side = {"caption": job.caption_column, "key": job.key_column, "url": job.url_column}
    return open_source(job.source, job.image_column, job.text_column, side)


def _of_gram(url: str, name: str) -> MemorySource:
    gram_MM = read_array(url, name, MOST_ROWS)
    return MemorySource("gram", [url], *vectors_of_gram(gram_MM, f"source={url}[{name}]"))


def _of_tensors(job: IngestJob) -> MemorySource:
    """A .pt is read by the bounded reader of checkpoints: nothing of it is run."""
    import torch

    from tda.encoders.weights.local_copy import local_file, read_file

    loaded = read_file(local_file(job.source, "source"))
    names = (job.image_column, job.text_column)
    if not isinstance(loaded, Mapping) or not all(isinstance(loaded.get(name), torch.Tensor) for name in names):
        has = ", ".join(map(str, list(loaded)[:8])) if isinstance(loaded, Mapping) else f"a {type(loaded).__name__}"
        missing = f"source={job.source} has no tensors {names[0]!r} and {names[1]!r}; it has: {has}"
        raise UserError(f"{missing}: image_column= and text_column= name them")
    image, text = (_array(job.source, name, loaded[name]) for name in names)
    wanted = (job.caption_column,) if job.caption_column else CAPTIONS
    captions = next((loaded[name] for name in wanted if name in loaded), None)
    return MemorySource("pt", [job.source], image, text, _texts(job.source, captions))


def _array(url: str, name: str, tensor: Any) -> np.ndarray[Any, Any]:
    if not tensor.dtype.is_floating_point:
        raise UserError(f"source={url}: tensor {name!r} holds {tensor.dtype}; embeddings are floating point")
    found: np.ndarray[Any, Any] = (tensor.float() if tensor.dtype.itemsize < 4 else tensor).detach().contiguous().numpy()
    return found


def _texts(url: str, captions: Any) -> list[str] | None:
    if captions is None:
        return None
    if not isinstance(captions, list | tuple) or not all(isinstance(one, str) for one in captions):
        raise UserError(f"source={url}: its captions are no list of texts")
    return list(captions)
