"""What other readers of WebDataset tars make of a broken one: their own code, run here, beside ours on the same bytes.

PYTHONPATH=tests/support python -m peers        prints the table of tests/chaos/README.md; a reader that is not installed has no column
"""

import importlib.util
import io
import tarfile
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from bad_shards import good_pairs, write_tar

from tda.errors import ShardError
from tda.store.shards.webdataset import RawPair, read_pairs

PAIRS = 12
READERS = ("webdataset", "Ray Data")


def made(members: Iterable[tuple[str, bytes]]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_tar(Path(folder) / "x.tar", members).read_bytes()


def whole() -> list[tuple[str, bytes]]:
    return list(good_pairs(PAIRS))


def headers(data: bytes) -> list[int]:
    """The place of each member's header."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [member.offset for member in tar.getmembers()]


def _apart(*, dots: bool = False) -> list[tuple[str, bytes]]:
    members = whole()
    if dots:
        return [(f"scene.{name}", data) for name, data in members]
    return [*members[::2], *members[1::2]]


def _zeros(data: bytes) -> bytes:
    middle = headers(data)[PAIRS]
    return data[:middle] + bytes(1024) + data[middle:]


def _damaged(data: bytes) -> bytes:
    middle = headers(data)[PAIRS]
    return data[:middle] + b"\xff" * 100 + data[middle + 100 :]


def _sized(data: bytes) -> bytes:
    """The middle header's size is larger than the archive, and its checksum is right."""
    middle = headers(data)[PAIRS]
    info = tarfile.TarInfo.frombuf(data[middle : middle + 512], "utf-8", "strict")
    info.size = 10**9
    return data[:middle] + info.tobuf(tarfile.USTAR_FORMAT) + data[middle + 512 :]


def _without(members: list[tuple[str, bytes]], index: int) -> list[tuple[str, bytes]]:
    return members[:index] + members[index + 1 :]


def _inside(data: bytes) -> bytes:
    return data[: headers(data)[PAIRS] + 200]


def _masks() -> list[tuple[str, bytes]]:
    return [one for name, data in whole() for one in ([(name, data)] + ([(name[:-4] + ".seg.png", data)] if name.endswith("jpg") else []))]


CASES: dict[str, Callable[[], bytes]] = {
    "whole": lambda: made(whole()),
    "cut inside a header": lambda: _inside(made(whole())),
    "cut between two pairs": lambda: (data := made(whole()))[: headers(data)[PAIRS]],
    "cut between a picture and its caption": lambda: (data := made(whole()))[: headers(data)[PAIRS + 1]],
    "cut inside a picture": lambda: (data := made(whole()))[: headers(data)[PAIRS] + 900],
    "a header of other bytes in the middle": lambda: _damaged(made(whole())),
    "a size that is not true in the middle": lambda: _sized(made(whole())),
    "the end's mark in the middle": lambda: _zeros(made(whole())),
    "two tars, one after the other": lambda: made(whole()) + made(good_pairs(PAIRS, first=PAIRS)),
    "no byte": lambda: b"",
    "a page of a server": lambda: b"<!DOCTYPE html><html>404</html>".ljust(10_240),
    "all pictures, then all captions": lambda: made(_apart()),
    "a dot in every key": lambda: made(_apart(dots=True)),
    "a key twice": lambda: made([*whole(), *whole()[:2]]),
    "one caption is missing": lambda: made(_without(whole(), 7)),
    "one picture is missing": lambda: made(_without(whole(), 6)),
    "a mask beside every picture": lambda: made(_masks()),
}


def ours(path: Path) -> tuple[int, str]:
    """Pairs, and what is said of the rest."""
    pairs, reasons = 0, dict[str, int]()
    try:
        for one in read_pairs(str(path)):
            if isinstance(one, RawPair):
                pairs += 1
            else:
                reasons[one.reason.value] = reasons.get(one.reason.value, 0) + 1
    except ShardError as error:
        return 0, f"shard refused: {error.reason}"
    return pairs, ", ".join(f"{count} {reason}" for reason, count in reasons.items())


def peer(name: str, path: Path) -> tuple[int, str]:
    """Samples with a picture and a caption, and the error that ended the reading, if any."""
    count = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for sample in (_webdataset if name == "webdataset" else _ray)(path):
                count += "jpg" in sample and "txt" in sample
    except Exception as error:  # noqa: BLE001 (whatever it raises is said)
        return count, type(error).__name__
    return count, ""


def available(name: str) -> bool:
    needed = ("webdataset",) if name == "webdataset" else ("ray", "pandas")
    return all(importlib.util.find_spec(module) for module in needed)


def _webdataset(path: Path) -> Iterator[dict[str, Any]]:
    import webdataset

    yield from webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False)


def _ray(path: Path) -> Iterator[dict[str, Any]]:
    from ray.data._internal.datasource.webdataset_datasource import _group_by_keys, _tar_file_iterator

    with path.open("rb") as file:
        yield from _group_by_keys(_tar_file_iterator(file))


def table() -> list[str]:
    """The rows of the README's table."""
    shown = [name for name in READERS if available(name)]
    rows = [f"| a tar of {PAIRS} pairs: | {' | '.join(shown)} | Lacuna |", f"|---|{'---|' * len(shown)}---|"]
    with tempfile.TemporaryDirectory() as folder:
        for case, make in CASES.items():
            path = Path(folder) / "x.tar"
            path.write_bytes(make())
            found = [peer(name, path) for name in shown]
            cells = [f"{count}{f', {said}' if said else ''}" for count, said in [*found, ours(path)]]
            rows.append(f"| {case} | {' | '.join(cells)} |")
    return rows


if __name__ == "__main__":
    print("\n".join(table()))
