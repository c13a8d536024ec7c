"""What Hydra runs a sweep by: a launcher for the cells of any sweeper, and a sweeper that knows zipped values.

Hydra finds plugins by the name of their module, and takes those of its own packages alone: ours stand beside its basic ones.
"""

import itertools
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from jobs.runtime.sweeps.sweep import running
from tda.errors import UserError

BESIDE = "hydra._internal.core_plugins.basic_"
ZIP = "sweep.zip"


class CellLauncher(Launcher):
    """Runs the cells of a batch over one Ray and returns the objective of each."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        del task_function  # the sweep of this command knows how to run its job
        self.hydra_context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        setup_globals()
        sweep = running.get()
        assert sweep is not None
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)  # sweepers leave their own results there
        params = [f"{key}={value}" for key, value in (self.config.hydra.sweeper.get("params") or {}).items()]
        batch = [(overrides, self._composed(overrides, initial_job_idx + n)) for n, overrides in enumerate(job_overrides)]
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=value) for value in sweep.launch(batch, params)]

    def _composed(self, overrides: Sequence[str], number: int) -> DictConfig:
        config: DictConfig = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        return config


class ListSweeper(Sweeper):
    """Every combination of lists and ranges, as Hydra's own sweeper; the values of keys in `sweep.zip=[a,b]` go together."""

    def __init__(self, params: dict[str, str] | None = None) -> None:
        self.params = params or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> Any:
        assert self.hydra_context is not None
        assert self.launcher is not None
        words = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        overrides = OverridesParser.create(config_loader=self.hydra_context.config_loader).parse_overrides(words)
        batch = combinations(overrides)
        self.validate_batch_is_legal(batch)
        return [self.launcher.launch(batch, initial_job_idx=0)]


def combinations(overrides: Sequence[Override]) -> list[list[str]]:
    """The overrides of each cell. Of a key that is given twice the last counts. Raises UserError for a zip that does not fit."""
    given = {override.get_key_element(): override for override in overrides}
    named: Any = given[ZIP].value() if ZIP in given else []
    zipped = [str(key) for key in named]
    columns = {key.lstrip("+"): _words(key, override) for key, override in given.items()}
    _check(zipped, {key: len(words) for key, words in columns.items()})
    together = [list(row) for row in zip(*(columns[key] for key in zipped), strict=True)]
    units = [[[word] for word in words] for key, words in columns.items() if key not in zipped]
    return [[word for unit in chosen for word in unit] for chosen in itertools.product(*units, *([together] if zipped else []))]


def _words(key: str, override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}" if not override.is_delete() else override.input_line or f"~{key}"]
    if not override.is_discrete_sweep():
        raise UserError(f"{override.input_line}: an interval has no list of values; hydra/sweeper=optuna draws from it")
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def _check(zipped: Sequence[str], sizes: dict[str, int]) -> None:
    missing = [key for key in zipped if key not in sizes]
    if missing:
        raise UserError(f"{ZIP}=[{','.join(zipped)}]: {missing[0]} is not given; give as many values as of the others")
    if len({sizes[key] for key in zipped}) > 1:
        reported = ", ".join(f"{key} has {sizes[key]} value{'s' * (sizes[key] != 1)}" for key in zipped)
        raise UserError(f"{ZIP}=[{','.join(zipped)}] needs as many values of each: {reported}")


def with_plugins(words: list[str]) -> list[str]:
    """The words of a command with -m, with this launcher, and this sweeper where no other is chosen."""
    _register()
    chosen = {word.partition("=")[0] for word in words}
    if "hydra/sweeper" in chosen and ZIP in chosen:
        raise UserError(f"{ZIP} does not go with a sweeper of another kind: leave out hydra/sweeper")
    if "hydra/launcher" in chosen:
        raise UserError("hydra/launcher cannot be chosen: the cells of a sweep run over one Ray, side by side by sweep.parallel=n")
    flags = [word for word in words if word in ("-m", "--multirun")]  # in front: Hydra's parser knows no overrides on both sides of them
    words = [*flags, *(word for word in words if word not in flags)]
    return [*words, *(f"{group}=lacuna" for group in ("hydra/launcher", "hydra/sweeper") if group not in chosen)]


def _register() -> None:
    plugins, store = Plugins.instance(), ConfigStore.instance()  # the first call of `instance` loads Hydra's basic plugins
    for kind, plugin, options in (("launcher", CellLauncher, {}), ("sweeper", ListSweeper, {"params": None})):
        module = import_module(f"{BESIDE}{kind}")
        plugin.__module__ = module.__name__
        setattr(module, plugin.__name__, plugin)
        plugins.register(plugin)
        store.store(group=f"hydra/{kind}", name="lacuna", node={"_target_": f"{module.__name__}.{plugin.__name__}", **options})
