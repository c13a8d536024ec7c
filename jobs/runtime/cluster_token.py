"""Whether the head of a cluster asks for a token, and takes the one of this process: found out before the cluster is joined.

Where no token is asked for, whoever reaches a port of the cluster can run any command on its machines (CVE-2023-48022).
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tda.errors import UserError

MODE = "RAY_AUTH_MODE"
SOURCES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
OPEN = "asks for no token, so whoever reaches its ports can run any command on its machines (CVE-2023-48022)"
ADVICE = "start it with RAY_AUTH_MODE=token, or give cluster.insecure=true to use it all the same"


class TokenRefusedError(RuntimeError):
    """The cluster's token is another one, or this process has none."""


def settle_token(address: str, *, insecure: bool) -> None:
    """Set this process to what the head at `address` (HOST:PORT) asks for, before Ray connects to it.

    Raises UserError for a head that asks for no token, unless `insecure`, which prints a line; TokenRefusedError for one that does not take
    the token of this process; ConnectionError or RuntimeError for one that does not answer.
    """
    if _lets_in(address, with_token=False):
        warn_of_open(f"cluster.address={address}", insecure=insecure)
        return
    if not _has_token():
        raise TokenRefusedError("it asks for a token: set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH")
    os.environ[MODE] = "token"
    if not _lets_in(address, with_token=True):
        raise TokenRefusedError(f"the token of {token_source()} is not its token")


def warn_of_open(where: str, *, insecure: bool) -> None:
    """Of a cluster that asks for no token: raise UserError, or, if `insecure`, print what that means."""
    if not insecure:
        raise UserError(f"{where} {OPEN}: {ADVICE}")
    print(f"lacuna: {where} {OPEN}", file=sys.stderr, flush=True)


def token_source() -> str:
    """Where the token of this process comes from: Ray's order."""
    return next((name for name in SOURCES if os.environ.get(name)), "~/.ray/auth_token")


def _lets_in(address: str, *, with_token: bool) -> bool:
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled
    from ray.exceptions import AuthenticationError

    with _mode("token" if with_token else "disabled"), _quiet():
        try:
            GcsClient(address=address)
        except AuthenticationError:
            return False
    return True


def _has_token() -> bool:
    from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]  # compiled

    return bool(AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True))


@contextmanager
def _mode(mode: str) -> Iterator[None]:
    """Ray's clients of this process are of this mode inside the block. Ray reads the variable on import, and here again."""
    from ray._raylet import Config  # type: ignore[attr-defined]  # compiled

    before = os.environ.get(MODE)
    os.environ[MODE] = mode
    Config.initialize("")
    try:
        yield
    finally:
        os.environ.pop(MODE)
        if before is not None:
            os.environ[MODE] = before
        Config.initialize("")


@contextmanager
def _quiet() -> Iterator[None]:
    """What this process writes to its standard error, from C++ too, is dropped inside the block."""
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
