"""The calls that a source file makes to a library, held against the library's own signatures, without calling anything.

Followed are names that the file imports from the library, attributes of its modules, classes that are made and the methods called on
them, also by a local name; and CuPy as `tda.geometry.arrays.devices.cuda` returns it. What cannot be followed is
not reported; `held` names the calls that were.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Calls(ast.NodeVisitor):
    """Walks one source. `held`: calls that were bound; `faults`: those that cannot be bound, and names that are not there."""

    def __init__(self, source: str, libraries: tuple[str, ...]) -> None:
        self.libraries, self.known = libraries, dict[str, Any]()
        self.held, self.faults = list[str](), list[str]()
        self.visit(ast.parse(source))

    def visit_Import(self, node: ast.Import) -> None:
        for name in node.names:
            if name.name.split(".")[0] in self.libraries:
                module = importlib.import_module(name.name)
                self.known[name.asname or name.name.split(".")[0]] = (
                    module if name.asname else importlib.import_module(name.name.split(".")[0])
                )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module and node.module.split(".")[0] in self.libraries:
            module = importlib.import_module(node.module)
            for name in node.names:
                found = getattr(module, name.name, None)
                if found is None:
                    self.faults.append(f"line {node.lineno}: {node.module} has no {name.name}")
                self.known[name.asname or name.name] = found

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        made = self._made(node.value)
        if made is not None and isinstance(node.targets[0], ast.Name):
            self.known[node.targets[0].id] = made

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        called = self._value(node.func)
        if callable(called):
            self._bind(node, called)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        self._value(node)

    def _made(self, node: ast.expr) -> Any:
        """What a call of a class makes, as far as its methods go: the class; `fit` and `build` give their own object."""
        if not isinstance(node, ast.Call):
            return None
        if isinstance(node.func, ast.Name) and node.func.id == "cuda":
            return importlib.import_module("cupy")
        called = self._value(node.func)
        if inspect.isclass(called):
            return called
        if isinstance(node.func, ast.Attribute) and node.func.attr == "fit":
            return self._made(node.func.value)
        return None

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return self.known.get(node.id)
        if not isinstance(node, ast.Attribute):
            return None
        owner = self._value(node.value) if not isinstance(node.value, ast.Call) else self._made(node.value)
        if owner is None or node.attr.endswith("_"):  # results of a fit: only an instance has them
            return None
        if not hasattr(owner, node.attr):
            self.faults.append(f"line {node.lineno}: {getattr(owner, '__name__', owner)} has no {node.attr}")
            return None
        return getattr(owner, node.attr)

    def _bind(self, node: ast.Call, called: Any) -> None:
        try:
            signature = inspect.signature(called)
        except (TypeError, ValueError):  # compiled, without a signature: that it is there is all that can be held
            return
        own = _of_instance(node, called)
        given = [None] * (sum(not isinstance(one, ast.Starred) for one in node.args) + own)
        open_ended = any(isinstance(one, ast.Starred) for one in node.args) or any(word.arg is None for word in node.keywords)
        words = {word.arg: None for word in node.keywords if word.arg is not None}
        name = ast.unparse(node.func)
        try:
            (signature.bind_partial if open_ended else signature.bind)(*given, **words)
            self.held.append(name)
        except TypeError as error:
            self.faults.append(f"line {node.lineno}: {name}: {error}")


def _of_instance(node: ast.Call, called: Any) -> int:
    """1 where a plain function stands for a method of an instance, whose first argument is the instance."""
    return int(isinstance(node.func, ast.Attribute) and inspect.isfunction(called) and "." in called.__qualname__)


def sources(*folders: Path, libraries: tuple[str, ...]) -> Iterator[Path]:
    """The files below the folders that import one of the libraries, or ask for a device."""
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            tree = ast.parse(path.read_text())
            imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
            imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            if {name.split(".")[0] for name in imported} & set(libraries) or "tda.geometry.arrays.devices" in imported:
                yield path
