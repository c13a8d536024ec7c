"""Bounds that hold before a checkpoint is opened: what reading it may cost follows from the size of the file.

A few hundred bytes of pickle can hold a graph of 2^60 paths, name a slot of memo that takes 64 GB, or have a dict of a million entries
copied a million times. So its opcodes are read first, as data: the graph that they would build is drawn, and its paths are counted with
each node visited once. Of a zip no member that is read may be compressed, as torch compresses none of them, and together they may not
be larger than the file.
"""

import mmap
import pickletools
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO, Protocol
from zipfile import ZIP_STORED, ZipFile

from torch import Tensor

MAX_OPCODES = 2_000_000  # a checkpoint of a billion weights with its optimizer has some 200,000
_PATHS = 2_000_000  # of the graph, besides one for 16 bytes of the file
_COPIES = 32  # times the paths: what all calls together are given
_BYTES_A_PATH = 64  # a long text or array counts as many paths
_HEADER_BYTES = 32 * 2**20  # of a .safetensors file
_VIEWS = 4  # times the file: all tensors together; tied weights are counted twice
_SMALL = 2**20
_MUTATORS = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")
_CALLS = ("REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST")
_GETS, _PUTS = ("GET", "BINGET", "LONG_BINGET"), ("PUT", "BINPUT", "LONG_BINPUT")


class _Source(Protocol):
    def read(self, n: int, /) -> bytes: ...
    def readline(self) -> bytes: ...


def require_bounded_pickle_file(path: Path, pickles: int = 1) -> None:
    """Raise UnpicklingError or ValueError unless the first `pickles` of a file, one after another, build a graph in bounds."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for _ in range(pickles):
            require_bounded_pickle(data, len(data))


def require_bounded_pickle(source: _Source, size: int) -> None:
    """Raise UnpicklingError or ValueError unless one pickle, in a file of `size` bytes, builds a graph of few paths and asks for few bytes.

    Nothing of it is run or imported.
    """
    graph = _Graph(size)
    for count, (opcode, argument, _) in enumerate(pickletools.genops(source)):  # type: ignore[arg-type]  # it reads, and no more
        if count >= MAX_OPCODES:
            raise UnpicklingError(f"its pickle has more than {MAX_OPCODES} steps")
        graph.step(opcode, argument)
    graph.require_few_paths()


@dataclass
class _Graph:
    """What a pickle would build: for each node the nodes that it holds."""

    size: int
    held: list[list[int]] = field(default_factory=list)
    weight: list[int] = field(default_factory=list)  # of a node alone
    value: list[Any] = field(default_factory=list)  # of a short text or a number
    called: list[int] = field(default_factory=list)  # nodes that are given to a function, once a call
    stack: list[int] = field(default_factory=list)  # -1 is a mark
    memo: dict[int, int] = field(default_factory=dict)
    storages: dict[Any, int] = field(default_factory=dict)  # key -> elements

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        name = opcode.name
        if name in _PUTS or name == "MEMOIZE":
            self._put(len(self.memo) if name == "MEMOIZE" else int(argument))
        elif name in _GETS:
            self.stack.append(self.memo[int(argument)])
        elif name == "DUP":
            self.stack.append(self.stack[-1])
        elif name == "MARK":
            self.stack.append(-1)
        elif name == "FRAME":
            self._require_inside(argument, "frame")
        elif name != "PROTO":
            self._build(opcode, argument)

    def _build(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        taken = self._taken(opcode)
        if opcode.name in _MUTATORS:
            target = taken[0]
            self.held[target] += taken[1:]
            self.stack.append(target)
            self.called += taken[1:] if opcode.name == "BUILD" else []
        elif opcode.stack_after:
            self.stack.append(self._node(taken, argument))
            self.called += taken if opcode.name in _CALLS else []
        if opcode.name in ("BINPERSID", "PERSID"):
            self._require_storage(self.held[taken[0]] if taken else [])

    def _taken(self, opcode: pickletools.OpcodeInfo) -> list[int]:
        """The operands of an opcode, off the stack and without the mark."""
        if opcode.name == "POP" and self.stack and self.stack[-1] == -1:
            self.stack.pop()
            return []
        fixed = len(opcode.stack_before)
        if pickletools.markobject in opcode.stack_before:
            mark = len(self.stack) - 1 - self.stack[::-1].index(-1)
            fixed = opcode.stack_before.index(pickletools.markobject)
            after = self.stack[mark + 1 :]
            del self.stack[mark:]
        else:
            after = []
        if fixed > len(self.stack):
            raise UnpicklingError("its pickle takes more than it has put down")
        before = self.stack[len(self.stack) - fixed :]
        del self.stack[len(self.stack) - fixed :]
        if -1 in before:
            raise UnpicklingError("its pickle takes a mark for a value")
        return before + after

    def _node(self, held: list[int], argument: Any) -> int:
        long = len(argument) // _BYTES_A_PATH if isinstance(argument, str | bytes | bytearray) else 0
        self.held.append(held)
        self.weight.append(1 + long)
        self.value.append(argument if isinstance(argument, int) or (isinstance(argument, str) and len(argument) < _BYTES_A_PATH) else None)
        return len(self.held) - 1

    def _put(self, slot: int) -> None:
        if not 0 <= slot < MAX_OPCODES:  # the unpickler would make room for all slots before it
            raise UnpicklingError(f"its pickle keeps a value in slot {slot}, and has not as many values")
        self.memo[slot] = self.stack[-1]

    def _require_storage(self, parts: list[int]) -> None:
        """A tensor's storage is named as torch names it, and not larger than the file: (storage, type, key, device, elements, ...)."""
        values = [self.value[part] for part in parts]
        if len(values) < 5 or values[0] != "storage" or not isinstance(values[2], str | int) or not isinstance(values[4], int):
            raise UnpicklingError("it refers to something that is no tensor storage")
        self.storages[values[2]] = values[4]
        self._require_inside(values[4], "storage")

    def _require_inside(self, count: int, what: str) -> None:
        if not 0 <= count <= self.size:
            raise UnpicklingError(f"it has a {what} of {count} in a file of {self.size} bytes")

    def require_few_paths(self) -> None:
        self._require_inside(sum(self.storages.values()), "sum of storages")
        limit = _PATHS + self.size // 16
        paths = self._paths()
        if max(paths, default=0) > limit or sum(paths[node] for node in self.called) > _COPIES * limit:
            raise UnpicklingError(f"its pickle holds the same values over and over, on more than {limit} paths")

    def _paths(self) -> list[int]:
        """Of each node: the sum of weights over all paths from it, each node visited once."""
        paths, open_ = [0] * len(self.held), [False] * len(self.held)
        for root in range(len(self.held)):
            todo = [] if paths[root] else [root]
            while todo:
                node = todo[-1]
                if not open_[node]:
                    open_[node] = True
                    todo += [child for child in self.held[node] if not self._is_done(child, paths, open_)]
                    continue
                todo.pop()
                if not paths[node]:
                    paths[node] = min(self.weight[node] + sum(paths[child] for child in self.held[node]), 2**62)
        return paths

    @staticmethod
    def _is_done(child: int, paths: list[int], open_: list[bool]) -> bool:
        if open_[child] and not paths[child]:
            raise UnpicklingError("its pickle has a container that holds itself")
        return bool(paths[child])


def require_bounded_zip(source: Path | BinaryIO, size: int) -> None:
    """Raise ValueError, BadZipFile or UnpicklingError unless an archive's members are in bounds.

    `size` is that of the file. They are stored as they are, fit into it together, and one of them is the pickle, which is in bounds itself.
    """
    with ZipFile(source) as archive:
        members = [member for member in archive.infolist() if member.filename.split("/")[1:2] != ["code"]]  # which nobody opens
        if packed := next((member for member in members if member.compress_type != ZIP_STORED), None):
            raise ValueError(f"its member {packed.filename[:80]!r} is compressed, and torch.save compresses none: save it anew with torch")
        if sum(max(member.file_size, member.compress_size) for member in members) > size:
            raise ValueError(f"its members are larger than the file of {size} bytes")
        names = [member.filename for member in members]
        if len(set(names)) != len(names):
            raise ValueError("it has two members of one name")
        pickles = [name for name in names if name.split("/")[-1] == "data.pkl"]
        if len(pickles) != 1:
            raise ValueError(f"the archive has {len(pickles) or 'no'} data.pkl")
        with archive.open(pickles[0]) as pickled:
            require_bounded_pickle(pickled, size)


def require_bounded_header(path: Path) -> None:
    """Raise ValueError unless the header of a .safetensors file lies in the file and is of a size that can be read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise ValueError(f"its header of {length} bytes does not fit into the file of {size} bytes")
    if length > _HEADER_BYTES:
        raise ValueError(f"its header has {length} bytes, more than {_HEADER_BYTES}")


def require_bounded_tensors(tensors: list[Tensor], path: Path) -> None:
    """Raise ValueError where tensors are views that repeat the numbers of the file: a copy of them would be larger than it."""
    size, wanted = path.stat().st_size, sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if wanted > _VIEWS * size + _SMALL:
        raise ValueError(f"its tensors would take {wanted} bytes, and the file has {size}")
