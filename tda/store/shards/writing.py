"""Tars as webdataset writes them: every tar of Lacuna goes through its `TarWriter`, with neither times nor users in it."""

import io
import tarfile
from collections.abc import Iterable
from typing import BinaryIO

Member = tuple[str, bytes]


def write_tar(file: BinaryIO, members: Iterable[Member]) -> None:
    """Write members in their order, under their very names: the same bytes each time.

    A name without an ending, which no sample of webdataset has, is a member all the same.
    """
    import webdataset.writer

    with webdataset.writer.TarWriter(file, user="", group="", mode=0o644, mtime=0, encoder=False, keep_meta=True) as writer:
        for name, data in members:
            key, _, ending = name.partition(".")
            if ending and ending != "__key__":
                writer.write({"__key__": key, ending: data})  # one by one: of a sample it would sort the endings
            else:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                writer.tarstream.addfile(info, io.BytesIO(data))
