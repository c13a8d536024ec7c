"""The settings of each run, beside its results: `<root>/runs/<run id>/config.yaml`.

    job, lacuna (version), code (digest of the source files), overrides (of the command line), config (every value, resolved), started

The id is the job and the hash of all but the time: the same command again adds nothing. A root that exists gets the file before the run, a
new one as soon as it is there. A refused command leaves none. Secrets are replaced by `***`. Beside it is `progress.json`, of the last run
of this command (`jobs.runtime.run_progress`).
"""

import os
import re
import sys
import traceback
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from jobs.runtime.run_metrics import RunMetrics
from jobs.runtime.run_progress import Beats, RunProgress, current
from tda.errors import LacunaError, UserError
from tda.source_digest import source_digest
from tda.store.commit.records import code_version
from tda.store.files import exists, filesystem, join, publish_bytes, publish_json, read_bytes, remove
from tda.store.paths import RootPaths

HIDDEN = "***"
PROGRESS, LOG, LOG_BEFORE = "progress.json", "log.jsonl", "log.previous.jsonl"
_WORDS = "apikey auth authorization credential credentials key keys passphrase passwd password pwd sas secret secrets sig signature webhook"
SECRET_WORDS = frozenset((*_WORDS.split(), "token", "tokens"))
_USER = re.compile(r"(\w+://)[^/@\s]+@")
_QUERY = re.compile(r"([?&])([\w.-]+)=([^&#\s'\"]+)")
_INLINE = re.compile(r"([\w-]+)(['\"]?\s*:\s*)(?!//)([^,{}\[\]\s]+)")  # of a mapping on the command line: {token: value}
_VARIABLE = re.compile(r"\$\{\s*oc\.env\s*:\s*(\w+)")


@contextmanager
def recorded_run(job: str, root: str, config: DictConfig, overrides: Sequence[str] | None = None) -> Iterator[None]:
    """Write the settings of the run inside this block. What goes wrong with the file is one line, and never the run's failure."""
    file, progress = _RunFile(job, root, config, overrides), RunProgress(job)
    file.write()
    progress.log.add("started")
    metrics = RunMetrics(progress, joins="cluster" not in config)

    def beat() -> None:
        metrics.count()
        file.put(progress)

    beats = Beats(beat)
    try:
        with current(progress):
            yield
        metrics.count()
    except UserError:  # refused: nothing ran
        beats.stop()
        file.discard()
        raise
    except BaseException as error:
        beats.stop()
        progress.end(*_how_it_ended(error))
        unexpected = isinstance(error, Exception) and not isinstance(error, LacunaError | OSError)
        progress.log.add(traceback.format_exc() if unexpected else f"{progress.state} {progress.line}".strip(), "error")
        file.finish(progress)
        raise
    beats.stop()
    if progress.state == "running":
        progress.end("whole")
    progress.log.add(f"{progress.state}: {progress.line}".rstrip(": "), "info" if progress.state == "whole" else "error")
    file.finish(progress)


def _how_it_ended(error: BaseException) -> tuple[str, str]:
    if not isinstance(error, Exception):
        return "interrupted", ""
    line = " ".join(str(error).split())
    return "failed", line if isinstance(error, LacunaError | OSError) else f"{type(error).__name__}: {line}"


class _RunFile:
    def __init__(self, job: str, root: str, config: DictConfig, overrides: Sequence[str] | None = None) -> None:
        self.job, self.root, self.config, self.started = job, root, config, datetime.now(UTC)
        self.overrides = overrides
        self.url, self.created, self.error = "", False, ""
        self._put = False  # whether progress.json was written
        self._before: bytes | None = None  # that of an earlier run
        self._hidden = secrets_of_environment(OmegaConf.to_container(config, resolve=False))

    def write(self) -> None:
        """Write the file unless it is there, or the root is not (yet)."""
        if self.url:
            return
        self.error = ""
        try:
            if exists(self.root):
                self.url, self.created = self._published()
        except Exception as error:  # noqa: BLE001 (of any kind of store: none of them may end the run)
            self.error = " ".join(str(error).split()) or type(error).__name__

    def _published(self) -> tuple[str, bool]:
        """URL of the file, and whether this run has made it."""
        content = described(self.job, self.config, self.overrides)
        run_id = f"{self.job}-{sha256(repr(content).encode()).hexdigest()[:12]}"
        url = RootPaths(self.root).run_config(run_id)
        if exists(url):
            return url, False
        text = OmegaConf.to_yaml(OmegaConf.create({**content, "started": self.started.isoformat(timespec="seconds")}))
        try:
            publish_bytes(url, text.encode(), once=True)
        except FileExistsError:  # the same command, started elsewhere at this moment
            return url, False
        return url, True

    @property
    def folder(self) -> str:
        return self.url.rpartition("/")[0]

    def put(self, progress: RunProgress) -> None:
        """Write how far the run is, where there is a root."""
        self.write()
        if self.url:
            self._before = self._before if self._put else _content(join(self.folder, PROGRESS))
            if not self._put and (log := _content(join(self.folder, LOG))) is not None:
                publish_bytes(join(self.folder, LOG_BEFORE), log)
            self._put = True
            found = progress.plain(self.folder.rpartition("/")[2])
            publish_json(join(self.folder, PROGRESS), found | {"line": self.hide(found["line"])})
            if progress.log.changed:
                publish_bytes(join(self.folder, LOG), progress.log.data(found["run"], self.hide))

    def hide(self, text: str) -> str:
        """A text without secrets."""
        for secret in self._hidden:
            text = text.replace(secret, HIDDEN)
        return without_secrets_in_url(text)

    def discard(self) -> None:
        """Leave what was there before this run."""
        with suppress(Exception):
            if self.created:
                fs, path = filesystem(self.folder)
                fs.rm(path, recursive=True)
            elif self._before is not None:
                publish_bytes(join(self.folder, PROGRESS), self._before)
            elif self._put:
                remove(join(self.folder, PROGRESS))

    def finish(self, progress: RunProgress) -> None:
        with suppress(Exception):  # the settings alone are worth a line
            self.put(progress)
        self.write()
        if self.error:
            print(f"lacuna {self.job}: the settings of this run are not in {self.root}/runs: {self.error}", file=sys.stderr, flush=True)


def _content(url: str) -> bytes | None:
    try:
        return read_bytes(url)
    except FileNotFoundError:
        return None


def described(job: str, config: DictConfig, overrides: Sequence[str] | None = None) -> dict[str, Any]:
    """The content of the file, without secrets and the time. `overrides` of a sweep's cell; else those of the command line."""
    if overrides is None:
        given: Any = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False) if HydraConfig.initialized() else []
        overrides = given
    resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    return {
        "job": job,
        "lacuna": code_version(),
        "code": source_digest("conf", "jobs", "tda"),
        "overrides": [without_secrets_in_words(word) for word in overrides or []],
        "config": without_secrets(resolved, secrets_of_environment(OmegaConf.to_container(config, resolve=False))),
    }


def secrets_of_environment(raw: Any) -> set[str]:
    """Values of the environment variables with a secret's name that a configuration refers to."""
    return {os.environ[name] for name in _VARIABLE.findall(str(raw)) if is_secret(name) and os.environ.get(name)}


def without_secrets(value: Any, hidden: Collection[str], name: str = "") -> Any:
    """The resolved `value` without what has a secret's name, or holds one of the `hidden` strings."""
    if isinstance(value, dict):
        return {key: without_secrets(inner, hidden, f"{name}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [without_secrets(inner, hidden, name) for inner in value]
    if value in (None, "", "???"):
        return value
    if is_secret(name) or any(secret in str(value) for secret in hidden):
        return HIDDEN
    return without_secrets_in_url(value) if isinstance(value, str) else value


def without_secrets_in_words(word: str) -> str:
    """An override `key=value` with secrets hidden."""
    key, sign, value = word.partition("=")
    if not sign or not value or value == "null":
        return word
    if is_secret(key):
        return f"{key}={HIDDEN}"
    hidden = _INLINE.sub(lambda found: f"{found[1]}{found[2]}{HIDDEN if is_secret(found[1]) else found[3]}", without_secrets_in_url(value))
    return f"{key}={hidden}"


def without_secrets_in_url(text: str) -> str:
    """A URL without its user and password, and without signatures and tokens in its query."""
    if "://" not in text:
        return text
    text = _USER.sub(rf"\1{HIDDEN}@", text)
    return _QUERY.sub(lambda found: f"{found[1]}{found[2]}={HIDDEN if is_secret(found[2]) else found[3]}", text)


def is_secret(name: str) -> bool:
    """Whether a name has a word such as key, token or password: `hub.api_key` and `awsSecret`, but not `tokenizer`."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).lower()
    return not SECRET_WORDS.isdisjoint(re.findall(r"[a-z]+", words))
