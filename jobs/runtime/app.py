"""The door of every command: Hydra outside, dataclasses inside, one line of result, honest exit status."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from jobs.runtime.config_errors import explain
from jobs.runtime.experiment_settings import with_experiment
from jobs.runtime.literal_paths import literal_paths
from jobs.runtime.run_record import recorded_run
from jobs.runtime.session import shared_ray
from tda.errors import LacunaError, UserError

Job = TypeVar("Job")

EXIT_WHOLE, EXIT_NOT_WHOLE, EXIT_USER_ERROR, EXIT_INTERRUPTED = 0, 1, 2, 130

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
    """What a job came to: `whole` when every part of its work is done, and the line that says so."""

    whole: bool
    line: str


def command(config_name: str, schema: type[Job], run: Callable[[Job], Outcome], flags: Sequence[str] = ()) -> Callable[[], int]:
    """The `main` of a command: composes `conf/<config_name>.yaml` into `schema`, runs, and returns the exit status.

    `flags` are fields that may also be given as --name, which is short for name=true.

    0: all of the work is whole. 1: it is not, or something foreseen went wrong. 2: a user's mistake, told in one line.
    """
    store = ConfigStore.instance()
    store.store(name=f"{config_name}_schema", node=schema)
    store.store(name="quiet", package="hydra", node=_QUIET)

    def main() -> int:
        statuses: list[int] = []  # one a job of a sweep; a bad cell does not keep the others from running
        words = [f"{word[2:]}=true" if word.startswith("--") and word[2:] in flags else word for word in sys.argv[1:]]
        try:
            sys.argv[1:] = with_experiment(literal_paths(words), config_name, schema)
        except (UserError, HydraException, OmegaConfBaseException) as error:
            return _complain(config_name, str(error) if isinstance(error, UserError) else explain(error, schema), EXIT_USER_ERROR)
        os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints its own several lines and exits by itself
        application = hydra.main(version_base="1.3", config_path="pkg://conf", config_name=config_name)
        try:
            with shared_ray():  # the jobs of a sweep run one after the other over one Ray
                application(lambda config: statuses.append(_attempt(config, config_name, schema, run)))()
        except (HydraException, OmegaConfBaseException) as error:
            return _complain(config_name, explain(error, schema), EXIT_USER_ERROR)
        except KeyboardInterrupt:
            return _complain(config_name, "interrupted; the same command goes on from here", EXIT_INTERRUPTED)
        return max(statuses, default=EXIT_WHOLE)

    return main


def _attempt(config: DictConfig, name: str, schema: type[Job], run: Callable[[Job], Outcome]) -> int:
    try:
        job: Any = OmegaConf.to_object(config)
        with recorded_run(name, job.root, config):
            outcome = run(job)
    except UserError as error:
        return _complain(name, str(error), EXIT_USER_ERROR)
    except OmegaConfBaseException as error:
        return _complain(name, explain(error, schema), EXIT_USER_ERROR)
    except LacunaError as error:
        return _complain(name, str(error), EXIT_NOT_WHOLE)
    except OSError as error:  # a store that forbids, or stays out of reach
        return _complain(name, f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}", EXIT_NOT_WHOLE)
    print(outcome.line, flush=True)
    return EXIT_WHOLE if outcome.whole else EXIT_NOT_WHOLE


def _complain(name: str, message: str, status: int) -> int:
    sys.stdout.flush()
    print(f"lacuna {name}: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return status
