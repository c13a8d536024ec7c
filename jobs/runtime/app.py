"""The entry point of every command: Hydra composes, the job gets dataclasses, its result is one line and an exit status."""

import dataclasses
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from typing import Any, TypeVar

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from jobs.runtime.command_line.ending import well_ended
from jobs.runtime.command_line.literal_paths import literal_paths
from jobs.runtime.command_line.literal_texts import literal_texts
from jobs.runtime.command_line.options import settings_first
from jobs.runtime.command_line.output import note_result, print_error, print_result
from jobs.runtime.config_errors import explain, with_field
from jobs.runtime.experiment_settings import with_experiment
from jobs.runtime.kept_rows import refuse_keep
from jobs.runtime.run_log import logged_errors
from jobs.runtime.run_progress import end_with, log_line
from jobs.runtime.run_record import recorded_run
from jobs.runtime.session import shared_ray
from jobs.runtime.showing.display import display
from jobs.runtime.sweeps.cells import Cell, is_multirun, working_on
from jobs.runtime.sweeps.launching import with_plugins
from jobs.runtime.sweeps.sweep import Attempt, Sweep, in_sweep
from tda.errors import LacunaError, UserError
from tda.store.files import absolute

Job = TypeVar("Job", bound=Any)

EXIT_WHOLE, EXIT_NOT_WHOLE, EXIT_USER_ERROR = 0, 1, 2

# Hydra writes no files beside the user's and logs nothing; a sweep keeps its list in the system's temporary folder.
_NO_LOG = {"root": {"level": "ERROR", "handlers": []}, "disable_existing_loggers": True}
_QUIET = {
    "hydra_logging": _NO_LOG,
    "job_logging": {**_NO_LOG, "handlers": {"file": {"delay": True}}},  # Hydra's default handler, unused: it opens no file
    "run": {"dir": "."},
    "sweep": {"dir": "${oc.env:TMPDIR,/tmp}/lacuna-sweeps/${now:%Y%m%d-%H%M%S}", "subdir": "${hydra.job.num}"},
    "output_subdir": None,
    "job": {"chdir": False},
}


@dataclass(frozen=True)
class Outcome:
    """The result of a job: `whole` if every part of its work is done, and its last line of output."""

    whole: bool
    line: str
    numbers: Mapping[str, float] = field(default_factory=dict)  # what a sweep records, by dotted path
    places: Sequence[str] | None = None  # paths or URLs of the results, for --json; None: the root


def command(
    config_name: str,
    schema: type[Job],
    run: Callable[[Job], Outcome],
    flags: Sequence[str] = (),
    inputs: Callable[[Job], str | None] | None = None,
    *,
    recorded: bool = True,
) -> Callable[[], int]:
    """The `main` of a command: composes `conf/<config_name>.yaml` into `schema`, runs, and returns the exit status.

    `flags` are fields that may also be given as --name, which is short for name=true. `inputs` identifies what a job reads: a cell of a
    sweep that is whole with the same inputs is not run again. `recorded`: its settings are written into
    the root; not for a job that writes nothing there.

    0: all of the work is done. 1: it is not, or an expected error occurred, such as a full disk. 2: a user's mistake, shown in one line.
    130, 143: ended by Ctrl-C or SIGTERM.
    """
    store = ConfigStore.instance()
    store.store(name=f"{config_name}_schema", node=schema)
    store.store(name="quiet", package="hydra", node=_QUIET)

    def main() -> int:
        with logged_errors(config_name, log_line):
            return _composed_and_run(config_name, schema, run, flags, inputs, recorded=recorded)

    return well_ended(config_name, schema, main)


def _composed_and_run(
    name: str,
    schema: type[Job],
    run: Callable[[Job], Outcome],
    flags: Sequence[str],
    inputs: Callable[[Job], str | None] | None,
    *,
    recorded: bool,
) -> int:
    """The exit status of the command line, whose words Hydra composes into one job, or into the cells of a sweep."""
    statuses = list[int]()
    sweep: Sweep | None = None

    def attempt(config: DictConfig) -> None:
        statuses.append(EXIT_NOT_WHOLE)  # until it ends
        statuses[-1] = _reported(_attempt(config, name, schema, run, recorded=recorded), name)

    try:
        _require_quiet(name)
        words = settings_first(_with_flags(flags))
        words = with_experiment(literal_texts(literal_paths(words), schema), name, schema)
        if is_multirun(words):
            sweep = Sweep(name, words, _cell_runner(name, schema, run), partial(_inputs_of, inputs))
            words = with_plugins(words)
        sys.argv[1:] = words
        os.environ["HYDRA_FULL_ERROR"] = "1"  # without it Hydra prints several lines and exits
        with shared_ray(), in_sweep(sweep):  # the cells of a sweep run over one Ray
            hydra.main(version_base="1.3", config_path="pkg://conf", config_name=name)(attempt)()
    except Exception as error:
        status = _mistake(error, name, schema, started=bool(statuses or (sweep and sweep.entries)))
        if status is not None:
            return status
        if not (isinstance(error, ValueError) and sweep and sweep.entries and not sweep.whole):
            raise  # else a sweeper that found no best among cells of which none is whole
    return _closed(sweep) if sweep and sweep.entries else max(statuses, default=EXIT_WHOLE)


def _mistake(error: Exception, name: str, schema: type[Job], *, started: bool) -> int | None:
    """Print what is wrong with the command, in one line, and return the exit status; None for an error of another kind."""
    if isinstance(error, UserError):
        return _complain(name, str(error), EXIT_USER_ERROR)
    if isinstance(error, LacunaError):  # the record of a sweep cannot be written
        return _complain(name, str(error), EXIT_NOT_WHOLE)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _complain(name, explain(error, schema), EXIT_USER_ERROR)
    if isinstance(error, AttributeError | AssertionError) and not started:  # OmegaConf's, where a field of a null value is set
        return _complain(name, explain(error, schema), EXIT_USER_ERROR)
    return None


def _require_quiet(name: str) -> None:
    """Raise UserError where Hydra would write its own folders beside the user's files."""
    file = resources.files("conf") / f"{name}.yaml"
    settings: Any = OmegaConf.create(file.read_text()) if file.is_file() else {}
    if settings and "quiet" not in settings.get("defaults", []):
        raise UserError(f"conf/{name}.yaml: add `quiet` to its defaults, or Hydra writes folders of its own into the working directory")


def _cell_runner(name: str, schema: type[Job], run: Callable[[Job], Outcome]) -> Callable[[DictConfig, Cell], Attempt]:
    def run_cell(config: DictConfig, cell: Cell) -> Attempt:
        try:
            done = _attempt(config, name, schema, run, cell)
        except Exception as error:  # noqa: BLE001 (a cell stops no other)
            traceback.print_exc()
            done = Attempt(status=EXIT_NOT_WHOLE, error=f"{type(error).__name__}: {error}")
        _reported(done, name, f"{cell.words}: ")
        return done

    return run_cell


def _inputs_of(inputs: Callable[[Job], str | None] | None, config: DictConfig, cell: Cell) -> str | None:
    """What identifies the inputs of a cell, for a job that can tell."""
    if inputs is None:
        return None
    job: Any = OmegaConf.to_object(config)
    with working_on(cell):
        return inputs(dataclasses.replace(job, root=cell.root))


def _closed(sweep: Sweep) -> int:
    """Print the closing lines of a sweep; its exit status is 2 only where every cell was refused as a mistake."""
    for line in sweep.lines():
        print_result(line)
    if sweep.whole == len(sweep.entries):
        return EXIT_WHOLE
    return EXIT_USER_ERROR if set(sweep.statuses) == {EXIT_USER_ERROR} and not sweep.whole else EXIT_NOT_WHOLE


def _with_flags(flags: Sequence[str]) -> list[str]:
    """The words of the command line, `--name` of a flag as name=true."""
    names = {f"--{flag.replace('_', '-')}": flag for flag in flags}
    return [f"{names[word]}=true" if word in names else word for word in sys.argv[1:]]


def _attempt(
    config: DictConfig, name: str, schema: type[Job], run: Callable[[Job], Outcome], cell: Cell | None = None, *, recorded: bool = True
) -> Attempt:
    job: Any = None
    try:
        job = OmegaConf.to_object(config)
        refuse_keep(name, job)
        record = recorded_run(name, job.root, config, cell.overrides if cell else None) if recorded else nullcontext()
        with record, display():
            outcome = run(dataclasses.replace(job, root=cell.root) if cell else job)
            end_with(whole=outcome.whole, line=outcome.line)
        places = [job.root] if outcome.places is None else outcome.places
        note_result({} if cell else outcome.numbers, map(absolute, places))
    except UserError as error:
        settings = dataclasses.asdict(job) if job is not None else {}
        return Attempt(status=EXIT_USER_ERROR, error=with_field(str(error), settings))
    except OmegaConfBaseException as error:
        return Attempt(status=EXIT_USER_ERROR, error=explain(error, schema))
    except LacunaError as error:
        return Attempt(status=EXIT_NOT_WHOLE, error=str(error))
    except OSError as error:  # access denied, or a store that cannot be reached
        return Attempt(status=EXIT_NOT_WHOLE, error=f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
    return Attempt(status=EXIT_WHOLE if outcome.whole else EXIT_NOT_WHOLE, line=outcome.line, numbers=dict(outcome.numbers))


def _reported(done: Attempt, name: str, whose: str = "") -> int:
    """Print the job's line, or its error; returns its exit status."""
    if done.error:
        return _complain(name, f"{whose}{done.error}", done.status)
    print_result(done.line)
    return done.status


def _complain(name: str, message: str, status: int) -> int:
    print_error(name, message)
    return status
