"""What a head asks for decides how it is joined: not without its token, and without one only by the user's word."""

import os

import pytest

from jobs.runtime import cluster_token
from jobs.runtime.cluster_token import OPEN, TokenRefusedError, settle_token, token_source, warn_of_open
from tda.errors import UserError


def head(monkeypatch: pytest.MonkeyPatch, *, asks: bool, takes: bool = True, given: bool = True) -> None:
    monkeypatch.setattr(cluster_token, "_lets_in", lambda _address, *, with_token: takes if with_token else not asks)
    monkeypatch.setattr(cluster_token, "_has_token", lambda: given)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t" * 64)


def test_a_head_without_a_token_needs_the_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    head(monkeypatch, asks=False)
    with pytest.raises(UserError, match=r"cluster.address=h:1 asks for no token, .*CVE-2023-48022.*: .* cluster.insecure=true"):
        settle_token("h:1", insecure=False)
    settle_token("h:1", insecure=True)
    assert capsys.readouterr().err == f"lacuna: cluster.address=h:1 {OPEN}\n"
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


@pytest.mark.parametrize("insecure", [False, True])
def test_a_head_with_a_token_is_joined_by_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, insecure: bool
) -> None:
    head(monkeypatch, asks=True)
    settle_token("h:1", insecure=insecure)
    assert os.environ["RAY_AUTH_MODE"] == "token"  # whatever it was: the head asks for it
    assert capsys.readouterr().err == ""


def test_another_token_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    head(monkeypatch, asks=True, takes=False)
    with pytest.raises(TokenRefusedError, match="the token of RAY_AUTH_TOKEN is not its token"):
        settle_token("h:1", insecure=True)
    head(monkeypatch, asks=True, given=False)
    with pytest.raises(TokenRefusedError, match="it asks for a token: set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"):
        settle_token("h:1", insecure=False)


def test_where_the_token_is_from(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in cluster_token.SOURCES:
        monkeypatch.delenv(name, raising=False)
    assert token_source() == "~/.ray/auth_token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/secret")
    assert token_source() == "RAY_AUTH_TOKEN_PATH"


def test_the_words_name_what_is_open() -> None:
    with pytest.raises(UserError, match=r"^the cluster at http://h asks for no token"):
        warn_of_open("the cluster at http://h", insecure=False)
