"""A cell of a sweep: one combination of the swept values, its name, and the folder that its results go to.

A swept data set or encoder has a main place by its name, and so have the views of a swept dedupe rule and the layouts of `sweep.json` of an
analysis. The results of any other cell stand in a root of its own, `<root>/sweeps/<name>/<cell>/`, see `tda.store.paths.base_of`.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from jobs.runtime.run_record import secrets_of_environment, without_secrets
from tda.config.sweeps import MultirunConfig
from tda.store.paths import RootPaths, cell_name

NAMED = ("dataset", "dataset.name", "encoder", "encoder.name", "encoders", "dataset@reference", "reference.name")
LAYOUT = ("analysis.umap.n_neighbors", "analysis.umap.min_dist")
NOT_RESULTS = ("root", "cluster")  # fields that change no result
OPTIONS = tuple(field.name for field in fields(MultirunConfig))  # of `sweep`: neither do these
OWN_EMBEDDINGS = ("embed", "ingest", "paper")  # jobs whose cells hold embeddings of their own
MULTIRUN = ("-m", "--multirun", "hydra.mode=MULTIRUN")

_cell: ContextVar["Cell | None"] = ContextVar("cell", default=None)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One combination. `root` is the root of its results: that of the sweep, or the cell's own."""

    name: str  # hash and values
    values: Mapping[str, Any]  # swept key -> value
    names: Mapping[str, Any]  # data set, encoder(s) and reference
    overrides: tuple[str, ...]
    root: str

    @property
    def words(self) -> str:
        """The swept values as a user types them."""
        return " ".join(f"{key}={_shown(value)}" for key, value in self.values.items())

    @property
    def layout_only(self) -> bool:
        """Whether the layout alone is swept: `n_neighbors` and `min_dist`."""
        return bool(set(self.values) & set(LAYOUT)) and set(self.values) <= {*LAYOUT, *NAMED}


def current_cell() -> Cell | None:
    """The cell that this thread works on; None outside of a sweep."""
    return _cell.get()


@contextmanager
def working_on(cell: Cell) -> Iterator[None]:
    token = _cell.set(cell)
    try:
        yield
    finally:
        _cell.reset(token)


def is_multirun(words: Sequence[str]) -> bool:
    return any(word in MULTIRUN for word in words)


def swept_keys(words: Sequence[str]) -> list[str]:
    """Keys of a command line, or of a sweeper's `params`, that take several values."""
    found = dict[str, None]()
    for word in words:
        if "=" in word and not word.startswith("-"):
            try:
                (override,) = OverridesParser.create().parse_overrides([word])
            except HydraException:  # Hydra itself complains of it
                continue
            if override.is_sweep_override():
                found[_key(override.get_key_element())] = None
    return list(found)


def cell_of(job: str, config: DictConfig, overrides: Sequence[str], keys: Sequence[str], sweep: str | None) -> Cell:
    """The cell of a composed configuration; `keys` are swept, or without any all that are given and change a result."""
    given = {_key(key): value for key, _, value in (word.partition("=") for word in overrides)}
    swept = [key for key in given if key in keys] if keys else _changing(given)
    hidden = secrets_of_environment(OmegaConf.to_container(config, resolve=False))
    values = {key: without_secrets(_value(config, key, given[key]), hidden, key) for key in swept}
    resolved: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    root = str(resolved["root"])
    name = cell_name(_hash(job, resolved, root), values, own=job in OWN_EMBEDDINGS and not _analysis_alone(swept))
    beside = all(_has_place(job, key, swept, given) for key in swept)
    folder = root if beside else RootPaths(root).sweep_cell(sweep or default_name(job, swept), name)
    return Cell(name=name, values=values, names=_names(resolved), overrides=tuple(overrides), root=folder)


def default_name(job: str, keys: Sequence[str]) -> str:
    """Job and swept keys, each by its last word that tells it from the others: `dedupe-encoder-threshold`."""
    short = [key.removesuffix(".name").rpartition(".")[2] for key in keys]
    words = [key.replace("@", ".") if short.count(word) > 1 else word for key, word in zip(keys, short, strict=True)]
    return re.sub(r"[^\w.-]", "_", "-".join([job, *sorted(words)]))[:120]


def _changing(given: Mapping[str, str]) -> list[str]:
    options = {f"sweep.{name}" for name in OPTIONS}
    keys = [key for key in given if key not in options and key.partition(".")[0] not in (*NOT_RESULTS, "hydra", "experiment")]
    return [key for key in keys if key not in NAMED] or keys


def _has_place(job: str, key: str, swept: Sequence[str], given: Mapping[str, str]) -> bool:
    """Whether cells that differ in this key have places by themselves."""
    if key == "arm":  # an arm trains the model of its name, if no other is given
        return not {"encoder", "encoder.name"} & (set(given) - set(swept))
    layout = job == "analyze" and key in LAYOUT and set(swept) <= {*LAYOUT, *NAMED}
    return key in NAMED or layout or (job in ("dedupe", "filter") and key.startswith(f"{job}."))


def _analysis_alone(swept: Sequence[str]) -> bool:
    """Whether cells of an experiment differ in their analysis alone: they read the embeddings of the root around them."""
    return all(key.partition(".")[0] in ("analysis", "report") for key in swept)


def _hash(job: str, resolved: Mapping[str, Any], root: str) -> str:
    """Hash of all that may change the result, wherever the root is."""
    content = {key: value for key, value in resolved.items() if key not in NOT_RESULTS}
    content["sweep"] = {key: value for key, value in (content.get("sweep") or {}).items() if key not in OPTIONS}
    text = re.sub(rf'"{re.escape(json.dumps(root)[1:-1])}(?=["/])', '"${root}', json.dumps([job, content], sort_keys=True, default=str))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _names(resolved: Mapping[str, Any]) -> dict[str, Any]:
    names = {group: (resolved.get(group) or {}).get("name") for group in ("dataset", "encoder", "reference")}
    names["encoders"] = list(resolved.get("encoders") or [])
    return {group: name for group, name in names.items() if name and name != "???"}


def _value(config: DictConfig, key: str, given: str) -> Any:
    found = None if "@" in key else OmegaConf.select(config, key, throw_on_missing=False)
    if isinstance(found, DictConfig) or (found is None and given != "null"):  # the choice of a group
        return given
    return OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found


def _key(text: str) -> str:
    return text.lstrip("+~")


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_shown, value))}]"
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)
