"""Presets by name: one file of a configuration group as its dataclass, outside of a command's own composition."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

import conf
from jobs.runtime.config_errors import explain
from tda.config.datasets import DatasetConfig
from tda.config.jobs import EmbedJob
from tda.config.models import EncoderConfig
from tda.errors import UserError

SCHEMAS: dict[str, type] = {"dataset": DatasetConfig, "encoder": EncoderConfig}


def choices(group: str) -> dict[str, Path]:
    """Every preset of a group by name: those of the package, and those of the user's `--config-dir`."""
    return {file.stem: file for folder in reversed(_folders()) for file in sorted((folder / group).glob("*.yaml"))}


def load_choice(group: str, name: str, root: str, /, **values: Any) -> Any:
    """The preset `name` of `group` as its dataclass, `${root}` resolved and `values` laid over its fields.

    Raises UserError for an unknown name (naming the choices) or a file that does not fit the schema.
    """
    file = preset_file(group, name)
    schema = SCHEMAS[group]
    empty = OmegaConf.create({"root": root, group: OmegaConf.structured(schema)})
    try:
        config = OmegaConf.merge(empty, {group: _content(group, name, file)}, {group: values})
        return OmegaConf.to_object(OmegaConf.select(config, group))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"conf/{group}/{name}.yaml: {explain(error, EmbedJob)}") from error


def preset_file(group: str, name: str) -> Path:
    """The file of a preset. Raises UserError for an unknown name, with the choices."""
    found = choices(group)
    if name not in found:
        raise UserError(f"{group}={name} is unknown; choose one of: {', '.join(sorted(found))}")
    return found[name]


def _content(group: str, name: str, file: Path) -> Any:
    """The values of a preset; one with a `defaults` list is composed by Hydra, as in a command."""
    config = OmegaConf.load(file)
    if "defaults" not in config:
        return config
    return OmegaConf.to_container(composed(f"{group}/{name}"))[group]  # type: ignore[call-overload,index]  # a mapping


def composed(config_name: str) -> Any:
    """One file with its `defaults` list resolved, values not checked: by the running command's Hydra, which knows the user's folders."""
    with _hydra():
        return compose(config_name)


@contextmanager
def _hydra() -> Iterator[None]:
    if GlobalHydra.instance().is_initialized():
        yield
        return
    with initialize_config_module("conf", version_base="1.3"):
        yield


def _folders() -> list[Path]:
    """Where configuration is searched, first match first."""
    folders = [Path(folder) for folder in conf.__path__]
    if GlobalHydra.instance().is_initialized():
        searched = GlobalHydra.instance().config_loader().get_search_path().get_path()
        paths = [entry.path.removeprefix("file://") for entry in searched]
        folders = [Path(path) for path in paths if "://" not in path] + folders
    return folders
