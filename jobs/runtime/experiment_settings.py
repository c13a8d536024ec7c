"""`experiment=NAME` of a single job: what the experiment sets and the job takes, as overrides of its command line.

jobs.paper and jobs.plan compose an experiment whole. Any other job takes its share: the encoders, the settings of its groups, the
reference, and the shards and checkpoints of the names it is given; jobs.train takes `train_dataset` and an arm; jobs.watch takes the data
sets, and the first arm as the model whose checkpoints appear. A job that takes none of this, as jobs.verify, runs as it would without.
The user's words win.
"""

import dataclasses
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir, initialize_config_module
from omegaconf import OmegaConf

from jobs.runtime.command_line.literal_paths import quoted, unquoted
from jobs.runtime.presets import preset_file
from tda.errors import UserError

GROUPS = (  # the same in an experiment and in a job
    "embed", "train", "nearest", "dedupe", "analysis", "diversity", "report", "watch", "cluster",
)  # fmt: skip
OPEN = ("report.models.", "report.datasets.", "report.ablation.")  # mappings: any name may be added
_SHOWING = {"--cfg", "-c", "--help", "-h", "--hydra-help", "--info", "-i"}  # nothing runs: names may be missing
CONFIG_DIR = ("--config-dir", "-cd")


def with_experiment(words: list[str], job: str, schema: type) -> list[str]:
    """The words of a command line, `experiment=NAME` replaced by overrides; unchanged for a job that takes an experiment whole.

    Raises UserError for an unknown experiment, for more than one, and for one that lacks what this job needs.
    """
    fields = {field.name for field in dataclasses.fields(schema)}
    whole = not fields.isdisjoint({"arms", "experiment"})  # an experiment is composed into it, or named in a field
    words = words if whole else [word for word in words if word != "experiment=null"]
    at = [place for place, word in enumerate(words) if word.startswith("experiment=")]
    if not at or whole:
        return words
    name = unquoted(words[at[0]].partition("=")[2])
    if len(at) > 1 or "," in name:
        raise UserError(f"experiment={name}: jobs.{job} takes one experiment at a time")
    given = {key.lstrip("+"): value for key, sign, value in (word.partition("=") for word in words) if sign}
    values = _values(name, _config_dir(words))
    share = Share(name, values, given, fields)
    share.require_what_is_needed(job)
    if not _SHOWING.intersection(words):
        share.require_dataset()
    found = [f"{key}={_grammar(value)}" for key, value in share.overrides() if key.lstrip("+") not in given]
    return [*words[: at[0]], *found, *words[at[0] + 1 :]]


@dataclasses.dataclass(frozen=True)
class Share:
    """What a job of these `fields` takes of an experiment, beside the `given` words of the user."""

    name: str
    values: Mapping[str, Any]
    given: Mapping[str, str]
    fields: set[str]

    def require_what_is_needed(self, job: str) -> None:
        """Raise UserError where the experiment has no arms for jobs.train, or no reference for a job that needs one."""
        if "loss" in self.fields and not (self.values.get("train_dataset") or self.values.get("arms")):
            raise UserError(f"experiment={self.name} trains nothing: it has no arms and no train_dataset for jobs.{job}")
        given = self._gives("dataset@reference", "reference.name", "dedupe.self")
        sets = any(self.values.get(key) for key in self.fields & {"reference", "nearest", "dedupe"})
        if "reference" in self.fields and not sets and not given:
            raise UserError(f"experiment={self.name} has no reference, and jobs.{job} compares with one: give reference.name=NAME")

    def require_dataset(self) -> None:
        """Raise UserError, with the choices, where the user has to name one of the experiment's data sets."""
        names = self.values.get("datasets") or []
        if not names or "dataset" not in self.fields or "loss" in self.fields or self._watches() or self._gives("dataset", "dataset.name"):
            return
        parts = names if "analysis" in self.fields else dict.fromkeys(part for name in names for part in name.split("-minus-"))
        field = "dataset" if "embed" in self.fields else "dataset.name"  # only shards need the preset
        raise UserError(f"experiment={self.name} has more than one data set: give {field}={'|'.join(parts)}")

    def overrides(self) -> Iterator[tuple[str, Any]]:
        dataset, encoder = self._chosen("dataset"), self._chosen("encoder")
        for group in GROUPS:
            if group in self.fields:
                yield from _leaves(group, self.values.get(group) or {})
        if "reference" in self.fields and self.values.get("reference") and not self._gives("dataset@reference", "reference.name"):
            yield "dataset@reference", Choice(self.values["reference"])
        if self._watches():
            yield from self._watched(encoder)
        if "loss" in self.fields:
            dataset = dataset or self.values.get("train_dataset") or ""
            if dataset and not self._gives("dataset", "dataset.name"):
                yield "dataset", Choice(dataset)
            encoder = yield from self._arm(encoder)
        yield from self._files(dataset, encoder)
        if "encoders" in self.fields and not self._gives("encoder", "encoder.name", "encoders"):
            yield from self._encoders()

    def _watches(self) -> bool:
        return "watch" in self.fields

    def _watched(self, encoder: str) -> Iterator[tuple[str, Any]]:
        """The data sets, unless the user names one, and the first arm, unless the user names an encoder."""
        if not self._gives("dataset", "dataset.name", "datasets"):
            yield "datasets", self.values.get("datasets") or []
        if not encoder and (arms := self.values.get("arms")):
            yield "encoder", Choice(next(iter(arms)))

    def _chosen(self, group: str) -> str:
        return self.given.get(group) or self.given.get(f"{group}.name") or ""

    def _gives(self, *keys: str) -> bool:
        return any(key in self.given for key in keys)

    def _arm(self, encoder: str) -> Generator[tuple[str, Any], None, str]:
        """The arm of the user's encoder, else the first; returns the encoder's name."""
        arms = self.values.get("arms") or {}
        if not arms or self._gives("arm", "loss", "hopfield"):
            return encoder
        chosen = encoder or next(iter(arms))
        if chosen not in arms:
            raise UserError(f"encoder={chosen} is no arm of experiment={self.name}; choose one of: {', '.join(arms)}")
        if not encoder:
            yield "encoder", Choice(chosen)
        yield from arms[chosen].items()
        return chosen

    def _files(self, dataset: str, encoder: str) -> Iterator[tuple[str, Any]]:
        """Shards and checkpoint of the one data set and encoder that are named."""
        wanted = {"shards": ("dataset", dataset), "checkpoints": ("encoder", encoder)}
        for key, (group, name) in wanted.items() if "embed" in self.fields else ():
            known = {one: file for one, file in (self.values.get(key) or {}).items() if file is not None}
            if name in known:
                yield f"{group}.{'shards' if group == 'dataset' else 'checkpoint'}", known[name]
            elif several := [one for one in name.split(",") if one in known]:
                raise UserError(f"experiment={self.name} sets {key}.{several[0]}: give {group}={several[0]} in a command of its own")

    def _encoders(self) -> Iterator[tuple[str, Any]]:
        encoders = self.values.get("encoders") or []
        own = [name for name in encoders if (self.values.get("checkpoints") or {}).get(name) is not None]
        if own and "embed" in self.fields:
            raise UserError(f"experiment={self.name} has a checkpoint of its own for {own[0]}: name one encoder, as encoder={own[0]}")
        if encoders:
            yield "encoders", encoders


class Choice(str):
    """A preset's name: Hydra takes no quotes around it."""

    __slots__ = ()


def _config_dir(words: list[str]) -> str | None:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in CONFIG_DIR:
            return following
        if word.startswith("--config-dir="):
            return word.partition("=")[2]
    return None


def _values(name: str, config_dir: str | None) -> Mapping[str, Any]:
    """What the experiment sets: its file with its `defaults` list, by the user's folder first."""
    with _searching(config_dir) as overrides:
        preset_file("experiment", name)
        values: Any = OmegaConf.to_container(compose(f"experiment/{name}", overrides))
    return values  # type: ignore[no-any-return]  # a mapping


@contextmanager
def _searching(config_dir: str | None) -> Iterator[list[str]]:
    """Hydra over the presets; yields the overrides that a `compose` needs."""
    if config_dir is None or not Path(config_dir).is_dir():  # Hydra itself complains of a missing folder
        with initialize_config_module("conf", version_base="1.3"):
            yield []
    else:
        with initialize_config_dir(str(Path(config_dir).resolve()), version_base="1.3"):
            yield ["hydra.searchpath=[pkg://conf]"]


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(f"{key}.{name}", inner)
    else:
        yield f"{'++' if key.startswith(OPEN) else ''}{key}", value


def _grammar(value: Any) -> str:
    """A value as Hydra's grammar reads it."""
    if isinstance(value, Choice):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return f"[{','.join(map(_grammar, value))}]"
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else repr(value)
