"""Calls to a remote store: transient faults are retried, every other fault is an OSError with one line.

Transient are timeouts, connections that break or are refused, answers cut short, and the statuses 408, 409 (two writers at once), 425,
429 and 5xx. Permanent are 404 (FileNotFoundError), 401 and 403 (PermissionError), 412 (FileExistsError), and every other status.

Waits grow from half a second; each is random up to its bound, so that workers that failed together do not retry together.
$LACUNA_STORE_ATTEMPTS (5) and $LACUNA_STORE_TIMEOUT (60 seconds for a call; more for uploads) adapt them to a store.
"""

import errno
import os
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

FIRST_WAIT, LONGEST_WAIT = 0.5, 20.0  # seconds
PASSING_STATUS = (408, 409, 425, 429)
# Classes that are not OSErrors, by name, so that no client has to be imported.
PASSING_CLASSES = frozenset({
    "aiohttp.client_exceptions.ClientError",
    "botocore.exceptions.ConnectionError",
    "botocore.exceptions.FlexibleChecksumError",
    "botocore.exceptions.HTTPClientError",
    "botocore.exceptions.IncompleteReadError",
    "botocore.parsers.ResponseParserError",
    "http.client.HTTPException",
    "json.decoder.JSONDecodeError",
    "requests.exceptions.ConnectionError",
    "requests.exceptions.Timeout",
    "urllib3.exceptions.HTTPError",
})  # fmt: skip
NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "RefreshError", "ProfileNotFound")


class ShortReadError(OSError):
    """A store returned fewer bytes than the file has."""


def attempts() -> int:
    return max(1, int(os.environ.get("LACUNA_STORE_ATTEMPTS", "5")))


def timeout() -> float:
    return float(os.environ.get("LACUNA_STORE_TIMEOUT", "60"))


def patient(call: Callable[[], T], what: str) -> T:
    """The result of `call`, with retries as above. Raises an OSError that names `what` was called, and the status."""
    most = attempts()
    for attempt in range(1, most + 1):
        try:
            return call()
        except Exception as error:
            if attempt == most or not passes(error):
                raise _named(error, what, attempt) from error
            time.sleep(random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2**attempt)))
    raise AssertionError("the last attempt returns or raises")


def passes(error: BaseException) -> bool:
    """Whether the fault is transient: the same call may succeed a moment later."""
    code, broken = _status_and_break(error)
    return broken if code is None else code in PASSING_STATUS or code >= 500


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an exception of any client; None if there was no complete answer."""
    return _status_and_break(error)[0]


def _status_and_break(error: BaseException) -> tuple[int | None, bool]:
    """(status, whether the connection failed) of an exception, or else of its cause."""
    one: BaseException | None = error
    while one is not None:
        response = getattr(one, "response", None)
        inner: Any = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
        for value in (inner, getattr(response, "status_code", None), getattr(one, "status", None), getattr(one, "code", None)):
            if str(value).isdigit() and 400 <= int(str(value)) < 600:
                return int(str(value)), False
        if isinstance(one, TimeoutError | ConnectionError | ShortReadError):
            return None, True
        if any(f"{kind.__module__}.{kind.__qualname__}" in PASSING_CLASSES for kind in type(one).__mro__):
            return None, True
        one = one.__cause__
    return None, False


def _named(error: Exception, what: str, tried: int) -> OSError:
    """The same fault as an OSError with an errno and one line."""
    code = status_of(error)
    kind, number = _kind(error, code)
    text = " ".join(str(error).split()) or type(error).__name__
    reported = f"{code}: {text}" if code is not None and str(code) not in text else text
    return kind(number, f"{what}: {reported[:300]}" + (f" (tried {tried} times)" if tried > 1 else ""))


def _kind(error: Exception, code: int | None) -> tuple[type[OSError], int]:
    if isinstance(error, FileExistsError) or code == 412:
        return FileExistsError, errno.EEXIST
    if code in (404, 410) or (isinstance(error, FileNotFoundError) and not passes(error)):  # fsspec's HTTP calls a 500 "not found"
        return FileNotFoundError, errno.ENOENT
    if isinstance(error, PermissionError) or code in (401, 403) or type(error).__name__ in NO_CREDENTIALS:
        return PermissionError, errno.EACCES
    if isinstance(error, TimeoutError):
        return TimeoutError, errno.ETIMEDOUT
    number = getattr(error, "errno", None)
    return OSError, number if isinstance(number, int) else errno.EIO
