"""Ray's Jobs client for one cluster: every request has a time limit, and every failure is one line that names the cluster."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jobs.runtime.cluster_token import token_source, warn_of_open
from jobs.runtime.session import import_ray
from tda.config.cluster import ClusterConfig
from tda.errors import LacunaError, UserError

TIMEOUT = (5, 30)  # seconds to connect, and between two bytes of an answer
HERE = "http://127.0.0.1:8265"
_OVERRIDES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")  # Ray prefers these to the address that it is given
_TALKATIVE = ("ray.dashboard.modules.job.sdk", "ray.dashboard.modules.dashboard_sdk", "ray._private.runtime_env.packaging")
OK = 200


class NotReachedError(LacunaError):
    """The cluster does not answer at this moment."""


class UnknownJobError(LacunaError):
    """The cluster has no job of this id."""


def dashboard_url(cluster: ClusterConfig) -> str:
    """Where jobs are submitted. Raises UserError unless it is an http or https URL."""
    url = (cluster.dashboard or os.environ.get("RAY_API_SERVER_ADDRESS") or HERE).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise UserError(f"cluster.dashboard={url} is not a URL; it is like http://HOST:8265, where `ray dashboard` or the head prints it")
    return url


class Jobs:
    """The jobs of the cluster at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        with self._failures():
            self._client = _client(url)

    def require_token(self, *, insecure: bool) -> None:
        """Raise UserError if the cluster asks for no token; with `insecure` print what that means. A Ray before tokens asks for none."""
        with self._failures():
            mode = self._client.authentication_mode()
        if mode == "disabled":
            warn_of_open(f"the cluster at {self.url}", insecure=insecure)

    def details(self, job_id: str) -> Any:
        """Status, exit code and message of a job. Raises UnknownJobError or NotReachedError."""
        with self._failures(job_id):
            return self._client.get_job_info(job_id)

    def find(self, job_id: str) -> Any | None:
        """As `details`, None for an unknown job."""
        try:
            return self.details(job_id)
        except UnknownJobError:
            return None

    def submit(self, **request: Any) -> bool:
        """False if a job of this id was submitted by someone else meanwhile."""
        with self._failures():
            try:
                self._client.submit_job(**request)
            except RuntimeError as error:
                if "already exists" in str(error):
                    return False
                raise
        return True

    def stop(self, job_id: str) -> None:
        with self._failures(job_id):
            self._client.stop_job(job_id)

    def logs(self, job_id: str) -> str:
        with self._failures(job_id):
            return str(self._client.get_job_logs(job_id))

    def tail(self, job_id: str) -> Any:
        """The log from its beginning, in pieces, as an asynchronous iterator; it can end while the job runs."""
        return self._client.tail_job_logs(job_id)

    @contextmanager
    def _failures(self, job_id: str = "") -> Iterator[None]:
        import requests
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:
            raise UserError(_token_line(self.url, str(error))) from None
        except (requests.exceptions.RequestException, ConnectionError) as error:
            raise NotReachedError(f"no Ray cluster answers at {self.url}: {_reason(error)}") from None
        except RuntimeError as error:
            if job_id and ("404" in str(error) or "does not exist" in str(error)):
                raise UnknownJobError(f"{self.url} has no job {job_id}") from None
            if "status code 50" in str(error):  # of a proxy before a lost head
                raise NotReachedError(f"no Ray cluster answers at {self.url}: {_reason(error)}") from None
            raise LacunaError(f"{self.url}: {_reason(error)}") from None


def _client(url: str) -> Any:
    import_ray()
    from ray.job_submission import JobSubmissionClient

    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)

    class Client(JobSubmissionClient):
        def _do_request(self, *arguments: Any, **keywords: Any) -> Any:
            return super()._do_request(*arguments, **{"timeout": TIMEOUT, **keywords})

        def authentication_mode(self) -> str:
            answer = self._do_request("GET", "/api/authentication_mode")
            return str(answer.json().get("authentication_mode")) if answer.status_code == OK else "disabled"

    with _without(_OVERRIDES):
        return Client(url)


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


def _token_line(url: str, reason: str) -> str:
    source = token_source()
    if "invalid" in reason.lower() or "forbidden" in reason.lower():
        return f"the token of {source} is not the token of the cluster at {url}"
    return f"the cluster at {url} needs a token, and {source} has none: set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, with RAY_AUTH_MODE=token"


def _reason(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return first if len(first) <= 300 else f"{first[:300]}..."
