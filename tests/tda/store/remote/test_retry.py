"""Which faults of a store are tried again, and what the others become."""

import errno
import json

import pytest

from tda.store.remote import retry
from tda.store.remote.retry import passes, patient, status_of


class AnswerError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"the store said {status}")
        self.status = status


@pytest.mark.parametrize(
    ("error", "kind", "number", "tries"),
    [
        (AnswerError(404), FileNotFoundError, errno.ENOENT, 1),
        (AnswerError(403), PermissionError, errno.EACCES, 1),
        (AnswerError(401), PermissionError, errno.EACCES, 1),
        (AnswerError(412), FileExistsError, errno.EEXIST, 1),
        (AnswerError(400), OSError, errno.EIO, 1),
        (AnswerError(409), OSError, errno.EIO, 4),
        (AnswerError(503), OSError, errno.EIO, 4),
        (AnswerError(429), OSError, errno.EIO, 4),
        (TimeoutError(), TimeoutError, errno.ETIMEDOUT, 4),
        (ConnectionResetError(errno.ECONNRESET, "reset"), OSError, errno.ECONNRESET, 4),
        (json.JSONDecodeError("cut short", "{", 1), OSError, errno.EIO, 4),
        (ValueError("no such thing"), OSError, errno.EIO, 1),
    ],
)
def test_which_faults_are_tried_again(
    error: Exception, kind: type[OSError], number: int, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_STORE_ATTEMPTS", "4")
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    calls = []

    def call() -> None:
        calls.append(1)
        raise error

    with pytest.raises(kind) as caught:
        patient(call, "s3://bucket/key")
    assert (caught.value.errno, len(calls)) == (number, tries)
    assert str(caught.value.strerror).startswith("s3://bucket/key: ")
    assert passes(error) == (tries > 1)
    assert status_of(caught.value) == getattr(error, "status", None)
