"""Run another command on a Ray cluster, and follow it to its end.

python -m jobs.submit cluster=auto cluster.dashboard=http://HOST:8265 -- jobs.embed dataset=... root=s3://...

The same command again attaches to the running job, or prints that it is done (again=true runs it once more); one that failed or was stopped
is submitted again, and resumes. The exit status is that of the job. Ctrl-C detaches: the job runs on. --no-wait only submits.
"""

import sys
from contextlib import AbstractContextManager
from typing import Any

from jobs.runtime.app import Outcome, command
from jobs.runtime.command_line.options import settings_of
from jobs.runtime.command_line.stopping import ends_with
from jobs.submission.client import Jobs, dashboard_url
from jobs.submission.follow import ENDED, await_end, ended, status
from jobs.submission.request import Request, made_request, shown_here
from tda.config.jobs import SubmitJob
from tda.errors import UserError

STOP_SECONDS = 60.0  # Ray kills a driver that has not ended 3 seconds after its SIGTERM


def run(job: SubmitJob, words: list[str]) -> Outcome:
    """Submit `words`, or attach to the job of an id, or stop it. Raises UserError if that is not one of the three."""
    if sum((bool(words), job.attach is not None, job.stop is not None)) != 1:
        raise UserError("give one of: a command after --, attach=ID, or stop=ID")
    if job.stop is not None:
        return _stop(Jobs(dashboard_url(job.cluster)), job.stop)
    if job.attach is not None:
        jobs = Jobs(dashboard_url(job.cluster))
        jobs.details(job.attach)  # raises for an unknown one
        with _detaching(jobs, job.attach):
            return _follow(job, jobs, job.attach)
    request = made_request(job, words)
    jobs = Jobs(dashboard_url(job.cluster))
    jobs.require_token(insecure=job.cluster.insecure)
    name, found = _latest(jobs, request.id)
    state = "" if found is None else status(found)
    if state == "SUCCEEDED" and not job.again:
        return Outcome(whole=True, line=f"submit: {name} is done already; again=true runs it once more", places=[])
    name = _next(name, request.id) if state in ENDED else name
    with _detaching(jobs, name):
        if found is None or state in ENDED:
            _submit(job, jobs, request, name)
            state = "submitted"
        elif not job.no_wait:
            print(f"lacuna submit: {name} is {state.lower()}: attached to it", file=sys.stderr, flush=True)
        return Outcome(whole=True, line=f"submit: {name} is {state.lower()}", places=[]) if job.no_wait else _follow(job, jobs, name)


def _latest(jobs: Jobs, base: str) -> tuple[str, Any | None]:
    """The last job of this content, and its details: `base`, `base-2`, `base-3`, ... Nothing is known: `base`, None."""
    name, found = base, jobs.find(base)
    while found is not None and (later := jobs.find(_next(name, base))) is not None:
        name, found = _next(name, base), later
    return name, found


def _next(name: str, base: str) -> str:
    return f"{base}-{int(name.removeprefix(base).removeprefix('-') or 1) + 1}"


def _submit(job: SubmitJob, jobs: Jobs, request: Request, name: str) -> None:
    mine = jobs.submit(
        entrypoint=request.entrypoint,
        submission_id=name,
        runtime_env=request.runtime_env,
        metadata={"lacuna": request.job},
        entrypoint_num_cpus=job.driver_cpus or None,
        entrypoint_memory=job.driver_memory,
    )
    print(
        f"lacuna submit: {name} {'is submitted' if mine else 'was submitted by another'}: {request.entrypoint}", file=sys.stderr, flush=True
    )


def _detaching(jobs: Jobs, name: str) -> AbstractContextManager[None]:
    """Ctrl-C and SIGTERM leave the job alone, from its submission on."""
    here = f"python -m jobs.submit cluster.dashboard={jobs.url}"
    return ends_with(f"detached; {name} runs on: {here} attach={name} follows it, {here} stop={name} ends it")


def _follow(job: SubmitJob, jobs: Jobs, name: str) -> Outcome:
    return _outcome(name, ended(jobs, name, job.cluster.wait_seconds, job.poll_seconds))


def _outcome(name: str, found: Any) -> Outcome:
    """By the job's status. Raises UserError where the command refused its words."""
    state, code = status(found), found.driver_exit_code
    if state == "SUCCEEDED":
        return Outcome(whole=True, line=f"submit: {name} succeeded", places=[])
    if state == "STOPPED":
        return Outcome(whole=False, line=f"submit: {name} was stopped; the same command resumes it", places=[])
    if code == 2:
        raise UserError(f"{name} refused its command (exit status 2): its last line names the value")
    reason = f"exit status {code}" if code is not None else " ".join((found.message or "no reason").split())[:300]
    return Outcome(whole=False, line=f"submit: {name} failed: {reason}", places=[])


def _stop(jobs: Jobs, name: str) -> Outcome:
    if status(jobs.details(name)) not in ENDED:
        jobs.stop(name)
    found = await_end(jobs, name, STOP_SECONDS, poll_seconds=0.5)
    return Outcome(whole=True, line=f"submit: {name} is {status(found).lower()}", places=[])


def _require_settings(words: list[str]) -> None:
    """Raise UserError for a command that does not stand after `--`."""
    bare = next((word for word in settings_of(_without_flags(words)) if "=" not in word and not word.startswith("~")), None)
    if bare is not None:
        raise UserError(f"{bare} is no setting of jobs.submit: give the command after --, as jobs.submit cluster=auto -- jobs.embed root=R")


def _without_flags(words: list[str]) -> list[str]:
    return [word for word in words if word not in ("--again", "--no-wait", "--json")]


def main() -> int:
    """The words before `--` are this job's own, those after it another command's."""
    words = sys.argv[1:]
    own, theirs = (words[: (at := words.index("--"))], words[at + 1 :]) if "--" in words else (words, [])
    try:
        _require_settings(own)
        if theirs and (shown := shown_here(theirs)) is not None:
            return shown
    except UserError as error:
        print(f"lacuna submit: {error}", file=sys.stderr)
        return 2
    sys.argv[1:] = own
    return command("submit", SubmitJob, lambda job: run(job, theirs), flags=("again", "no_wait"), recorded=False)()


if __name__ == "__main__":
    sys.exit(main())
