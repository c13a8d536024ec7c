"""A report in a browser of this machine: opened from disk, or served on the loopback address alone."""

import os
import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tda.errors import LacunaError, UserError

LOOPBACK = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost", "[::1]")


class Handler(SimpleHTTPRequestHandler):
    """Files of one folder, to requests that were meant for this machine; no listing of folders, no line for each request."""

    def send_head(self) -> Any:
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if host not in NAMES:  # a page elsewhere whose name leads here
            self.send_error(403)
            return None
        if not _within(self.translate_path(self.path), self.directory):
            self.send_error(404)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:  # noqa: ARG002 the base class names it
        self.send_error(404)

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base class names it so
        """Nothing: the browser shows what is missing."""


def _within(path: str, folder: str | os.PathLike[str]) -> bool:
    """Whether a path, links followed, lies in the folder."""
    return Path(path).resolve().is_relative_to(Path(folder).resolve())


def server_of(url: str, port: int) -> ThreadingHTTPServer:
    """A server of the report's folder, not yet serving. Raises UserError for a remote report, and for a port that is taken."""
    folder = _folder(url, "serve")
    try:
        return ThreadingHTTPServer((LOOPBACK, port), partial(Handler, directory=str(folder)))
    except OSError as error:
        raise UserError(f"port={port} cannot be served on {LOOPBACK}: {error.strerror or error}; port=0 takes any that is free") from None


def open_in_browser(url: str) -> None:
    """Raises LacunaError where there is no browser."""
    page = _folder(url, "open") / url.rpartition("/")[2]
    if not webbrowser.open(page.resolve().as_uri()):
        raise LacunaError(f"open=true: this machine has no browser; the report is {page}")


def _folder(url: str, field: str) -> Path:
    folder = Path(url.removeprefix("file://")).parent
    if not folder.is_dir():
        raise UserError(f"{field}=true is for a report on this machine, not for {url}: copy its folder here, or open it from its store")
    return folder
