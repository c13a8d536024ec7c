"""The user's command and webhook: what they get, and that their faults end nothing."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from jobs.watching.notify import Notifier
from tda.errors import UserError

EVENT = {"encoder": "clip@5", "step": 5, "state": "failed", "message": "{state}; $(touch hacked) 'x'"}


def test_a_command_gets_its_words_filled_and_no_shell_reads_them(tmp_path: Path) -> None:
    code = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('|'.join(sys.argv[2:]) + '\\n' + sys.stdin.read())"
    Notifier([sys.executable, "-c", code, str(tmp_path / "got"), "{encoder} {state}", "{message}", "{other}"])(EVENT)
    words, event = (tmp_path / "got").read_text().split("\n", 1)
    assert words == "clip@5 failed|{state}; $(touch hacked) 'x'|{other}"
    assert json.loads(event) == EVENT


def test_a_webhook_gets_json(capfd: pytest.CaptureFixture[str]) -> None:
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        Notifier(webhook=f"http://127.0.0.1:{server.server_port}/secret")(EVENT)
    assert json.loads(got[0]) == EVENT
    Notifier(webhook=f"http://127.0.0.1:{server.server_port}/secret")(EVENT)  # nobody listens now
    error = capfd.readouterr().err
    assert error == "lacuna watch: watch.webhook failed: URLError\n"


def test_a_command_that_fails_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    Notifier([sys.executable, "-c", "raise SystemExit(3)"])(EVENT)
    Notifier(["/nowhere/command"])(EVENT)
    assert capfd.readouterr().err.splitlines() == [
        "lacuna watch: watch.notify failed: exit status 3",
        "lacuna watch: watch.notify failed: FileNotFoundError",
    ]


def test_other_addresses_are_refused() -> None:
    with pytest.raises(UserError, match=r"watch.webhook is no http:// or https:// address"):
        Notifier(webhook="file:///etc/passwd")
