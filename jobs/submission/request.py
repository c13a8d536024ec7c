"""What is submitted: the command line of a job on the cluster, its environment, and the id that follows from both."""

import hashlib
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

import conf
from jobs.runtime.experiment_settings import CONFIG_DIR
from jobs.runtime.run_record import is_secret, without_secrets_in_words
from tda.config.cluster import ClusterConfig
from tda.config.jobs import SubmitJob
from tda.errors import UserError
from tda.source_digest import source_digest

PACKAGES = ("jobs", "tda", "conf")
SHOWING = frozenset(("--cfg", "-c", "--help", "-h", "--hydra-help", "--info", "-i"))
SWEEPS = frozenset(("-m", "--multirun"))
EXCLUDED = ["__pycache__", ".git", ".venv", "*.pyc"]
_HERE_ALONE = ("address", "dashboard", "hardware", "wait_seconds")  # of this command alone: they change neither the job nor its id


@dataclass(frozen=True)
class Request:
    """A command on a cluster. `id` is the same for the same code, words, settings and files."""

    job: str
    entrypoint: str
    runtime_env: dict[str, Any]
    id: str


def made_request(submit: SubmitJob, words: list[str]) -> Request:
    """The request for `words`, the command as it follows `--`. Raises UserError for what the cluster would refuse, or should not see."""
    job, *rest = _named_job(words)
    refuse_secrets(rest)
    command = [f"jobs.{job}", *_cluster_words(job, submit.cluster, rest), *rest]
    if submit.root and not any(word.startswith("root=") for word in rest):
        command.append(f"root={submit.root}")
    _refuse_relative_root(command)
    folder = _working_dir(submit, rest)
    composed = "" if SWEEPS.intersection(rest) else _composed_here(command, folder)
    runtime_env = runtime_env_of(submit, folder)
    content = (command, composed, submit.code == "mine" and source_digest(*PACKAGES), _digest(folder), _settings(submit))
    return Request(
        job=job,
        entrypoint=shlex.join(["python", "-m", *command]),
        runtime_env=runtime_env,
        id=f"lacuna-{job}-{hashlib.sha256(repr(content).encode()).hexdigest()[:12]}",
    )


def shown_here(words: list[str]) -> int | None:
    """The exit status of a command that only shows something (--cfg, --help), which then runs on this machine; None for any other."""
    job, *rest = _named_job(words)
    if not SHOWING.intersection(rest):
        return None
    return subprocess.run([sys.executable, "-m", f"jobs.{job}", *rest], check=False).returncode  # noqa: S603 (the user's own words)


def _named_job(words: list[str]) -> list[str]:
    known = sorted({file.stem for folder in conf.__path__ for file in Path(folder).glob("*.yaml")} - {"submit"})
    name = words[0].removeprefix("jobs.") if words else ""
    if name not in known:
        raise UserError(f"the command after -- begins with {words[0] if words else 'nothing'}; it can be jobs.{', jobs.'.join(known)}")
    return [name, *words[1:]]


def refuse_secrets(words: list[str]) -> None:
    """Raise UserError for a secret: a command line stands in the dashboard and in the list of processes."""
    for word in words:
        if "${oc.env:" not in word and (shown := without_secrets_in_words(word)) != word:
            raise UserError(f"{shown} has a secret on the command line: put it into an environment variable, and give submit env=[NAME]")


def _refuse_relative_root(words: list[str]) -> None:
    """Raise UserError for a root that on another machine would be another folder, or one that is removed with the job."""
    for word in words:
        key, _, root = word.partition("=")
        if key == "root" and root and not root.strip("'\"").startswith(("/", "${", "~")) and "://" not in root:
            raise UserError(f"{word} is not the same folder on the cluster: give a URL, or an absolute path that all nodes see")


def _cluster_words(job: str, cluster: ClusterConfig, words: list[str]) -> list[str]:
    """A job that uses Ray joins the cluster that runs it, with the values of `cluster` that are not the defaults."""
    settings: Any = OmegaConf.to_container(OmegaConf.load(Path(conf.__path__[0]) / f"{job}.yaml"))
    if not any("cluster" in entry for entry in settings["defaults"] if isinstance(entry, dict)):
        return []
    plain = ClusterConfig()
    changed = [
        one.name for one in fields(cluster) if one.name not in _HERE_ALONE and getattr(cluster, one.name) != getattr(plain, one.name)
    ]
    values = [f"cluster.{name}={'null' if (value := getattr(cluster, name)) is None else value}" for name in changed]
    return [*([] if any(word.startswith("cluster=") for word in words) else ["cluster=auto"]), *values]


def _working_dir(submit: SubmitJob, words: list[str]) -> str | None:
    if submit.working_dir is None:
        if any(word.startswith(CONFIG_DIR) for word in words):
            raise UserError(
                "--config-dir names a folder that the cluster does not have: give submit working_dir=FOLDER, the folder it is in"
            )
        return None
    folder = Path(submit.working_dir).expanduser().resolve()
    if not (folder.is_dir() or folder.suffix == ".zip"):
        raise UserError(f"working_dir={submit.working_dir} is not a folder or zip of this machine")
    return str(folder)


def _composed_here(command: list[str], folder: str | None) -> str:
    """The command's whole configuration; a mistake in it costs a second here, and minutes on a cluster."""
    where = folder if folder and Path(folder).is_dir() else None
    shown = [sys.executable, "-m", *command, "--cfg", "job"]
    done = subprocess.run(shown, cwd=where, capture_output=True, text=True, check=False)  # noqa: S603 (the user's own words)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"the command is refused: {last}")
    return done.stdout


def runtime_env_of(submit: SubmitJob, folder: str | None = None) -> dict[str, Any]:
    """Ray's `runtime_env`: code, environment variables, and the folder that is copied. Raises UserError for a variable that is not set."""
    missing = [name for name in submit.env if name not in os.environ]
    if missing:
        raise UserError(f"env={missing} is not set in the environment of this command")
    made: dict[str, Any] = {**submit.runtime_env}
    variables = {**made.get("env_vars", {}), **{name: os.environ[name] for name in submit.env}}
    if variables:
        made["env_vars"] = variables
    if folder:
        made["working_dir"] = folder
    if submit.code == "mine":
        made["py_modules"] = [*made.get("py_modules", []), *(str(Path(import_module(name).__path__[0])) for name in PACKAGES)]
    if folder or submit.code == "mine":
        made["excludes"] = [*made.get("excludes", []), *EXCLUDED]
    return made


def _settings(submit: SubmitJob) -> list[Any]:
    """What else decides the outcome. A secret counts by name: another key to the same bucket is the same job."""
    variables = [(name, "" if is_secret(name) else os.environ[name]) for name in sorted(submit.env)]
    return [submit.code, variables, submit.runtime_env, submit.driver_cpus, submit.driver_memory]


def _digest(folder: str | None) -> str:
    """SHA-256 (hex) of the files that are copied."""
    if folder is None:
        return ""
    path = Path(folder)
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    kept = [file for file in files if not {"__pycache__", ".git", ".venv"}.intersection(file.relative_to(path).parts)]
    content = [(str(file.relative_to(path)), hashlib.sha256(file.read_bytes()).hexdigest()) for file in kept]
    return hashlib.sha256(repr(content).encode()).hexdigest()
