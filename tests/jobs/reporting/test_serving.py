"""A report served to this machine alone."""

import http.client
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.reporting.serving import open_in_browser, server_of
from tda.errors import LacunaError, UserError


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("the page")
    (tmp_path / "secret").write_text("a secret")
    (tmp_path / "report" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "report" / "panels").mkdir()
    with server_of(f"{tmp_path}/report/index.html", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


def _got(port: int, path: str, host: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_the_page_is_served_to_this_machine(port: int) -> None:
    assert _got(port, "/index.html") == (200, "the page")
    assert _got(port, "/index.html", "localhost:1") == (200, "the page")


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/link", "/panels/", "/missing.svg"])
def test_nothing_else_is_served(port: int, path: str) -> None:
    status, text = _got(port, path)
    assert status == 404
    assert "secret" not in text.replace("/secret", "")


def test_another_name_that_leads_here_is_refused(port: int) -> None:
    assert _got(port, "/index.html", "evil.example")[0] == 403


def test_it_listens_on_loopback_and_a_taken_port_is_one_line(port: int, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"port={port} cannot be served on 127.0.0.1: .*; port=0 takes any that is free") as refused:
        server_of(f"{tmp_path}/report/index.html", port)
    assert "\n" not in str(refused.value)
    with pytest.raises(UserError, match=r"serve=true is for a report on this machine, not for s3://b/report/index\.html"):
        server_of("s3://b/report/index.html", 0)


def test_a_browser_is_opened_or_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my report").mkdir()
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: asked.append(url) or True)
    open_in_browser(f"{tmp_path}/my report/index.html")
    assert asked == [f"{tmp_path.as_uri()}/my%20report/index.html"]
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    with pytest.raises(LacunaError, match="open=true: this machine has no browser; the report is "):
        open_in_browser(f"{tmp_path}/my report/index.html")
