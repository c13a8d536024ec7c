"""Presets by name: one file of a configuration group as its dataclass, outside of a command's own composition."""

from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
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
    found = choices(group)
    if name not in found:
        raise UserError(f"{group}={name} is unknown; choose one of: {', '.join(sorted(found))}")
    schema = SCHEMAS[group]
    empty = OmegaConf.create({"root": root, group: OmegaConf.structured(schema)})
    try:
        config = OmegaConf.merge(empty, {group: OmegaConf.load(found[name])}, {group: values})
        return OmegaConf.to_object(OmegaConf.select(config, group))
    except OmegaConfBaseException as error:
        raise UserError(f"conf/{group}/{name}.yaml: {explain(error, EmbedJob)}") from error


def _folders() -> list[Path]:
    """Where configuration is searched, first match first."""
    folders = [Path(folder) for folder in conf.__path__]
    if GlobalHydra.instance().is_initialized():
        searched = GlobalHydra.instance().config_loader().get_search_path().get_path()
        folders = [Path(entry.path.removeprefix("file://")) for entry in searched if entry.path.startswith("file://")] + folders
    return folders
