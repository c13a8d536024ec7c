"""The entry point of every command: Hydra composes, the job gets dataclasses, its result is one line and an exit status."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from jobs.runtime.config_errors import explain
from jobs.runtime.ending import well_ended
from jobs.runtime.experiment_settings import with_experiment
from jobs.runtime.literal_paths import literal_paths
from jobs.runtime.literal_texts import literal_texts
from jobs.runtime.output import print_error, print_result
from jobs.runtime.run_record import recorded_run
from jobs.runtime.session import shared_ray
from tda.errors import LacunaError, UserError

Job = TypeVar("Job")

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


def command(
    config_name: str, schema: type[Job], run: Callable[[Job], Outcome], flags: Sequence[str] = (), *, recorded: bool = True
) -> Callable[[], int]:
    """The `main` of a command: composes `conf/<config_name>.yaml` into `schema`, runs, and returns the exit status.

    `flags` are fields that may also be given as --name, which is short for name=true. `recorded`: its settings are written into the root.

    0: all of the work is done. 1: it is not, or an expected error occurred, such as a full disk. 2: a user's mistake, shown in one line.
    130, 143: ended by Ctrl-C or SIGTERM.
    """
    store = ConfigStore.instance()
    store.store(name=f"{config_name}_schema", node=schema)
    store.store(name="quiet", package="hydra", node=_QUIET)

    def main() -> int:
        started, statuses = list[bool](), list[int]()  # one for each job of a sweep; a failed one does not stop the others

        def attempt(config: DictConfig) -> None:
            started.append(True)
            statuses.append(_attempt(config, config_name, schema, run, recorded=recorded))

        try:
            sys.argv[1:] = with_experiment(literal_texts(literal_paths(_with_flags(flags)), schema), config_name, schema)
            os.environ["HYDRA_FULL_ERROR"] = "1"  # without it Hydra prints several lines and exits
            with shared_ray():  # the jobs of a sweep run one after the other over one Ray
                hydra.main(version_base="1.3", config_path="pkg://conf", config_name=config_name)(attempt)()
        except UserError as error:
            return _complain(config_name, str(error), EXIT_USER_ERROR)
        except (HydraException, OmegaConfBaseException) as error:
            return _complain(config_name, explain(error, schema), EXIT_USER_ERROR)
        except (AttributeError, AssertionError) as error:  # OmegaConf's, where a field of a null value is set
            if started:
                raise
            return _complain(config_name, explain(error, schema), EXIT_USER_ERROR)
        return max(statuses, default=EXIT_WHOLE)

    return well_ended(config_name, schema, main)


def _with_flags(flags: Sequence[str]) -> list[str]:
    """The words of the command line, `--name` of a flag as name=true."""
    names = {f"--{flag.replace('_', '-')}": flag for flag in flags}
    return [f"{names[word]}=true" if word in names else word for word in sys.argv[1:]]


def _attempt(config: DictConfig, name: str, schema: type[Job], run: Callable[[Job], Outcome], *, recorded: bool) -> int:
    try:
        job: Any = OmegaConf.to_object(config)
        with recorded_run(name, job.root, config) if recorded else nullcontext():
            outcome = run(job)
    except UserError as error:
        return _complain(name, str(error), EXIT_USER_ERROR)
    except OmegaConfBaseException as error:
        return _complain(name, explain(error, schema), EXIT_USER_ERROR)
    except LacunaError as error:
        return _complain(name, str(error), EXIT_NOT_WHOLE)
    except OSError as error:  # access denied, or a store that cannot be reached
        return _complain(name, f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}", EXIT_NOT_WHOLE)
    print_result(outcome.line)
    return EXIT_WHOLE if outcome.whole else EXIT_NOT_WHOLE


def _complain(name: str, message: str, status: int) -> int:
    print_error(name, message)
    return status
