"""Telling the user of a checkpoint that is analysed, failed or vanished: by a command or a webhook of their own."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from typing import Any

from tda.errors import UserError

SECONDS = 30


class Notifier:
    """Runs `command`, no shell, and posts to `webhook`. What goes wrong is one line on stderr, without the webhook's address."""

    def __init__(self, command: Sequence[str] = (), webhook: str | None = None) -> None:
        if webhook and not webhook.startswith(("http://", "https://")):
            raise UserError("watch.webhook is no http:// or https:// address")
        self.command, self.webhook = list(command), webhook

    def __call__(self, event: dict[str, Any]) -> None:
        """`event` has encoder, step, state and message."""
        if self.command:
            _report("watch.notify", lambda: self._run(event))
        if self.webhook:
            _report("watch.webhook", lambda: self._post(event))

    def _run(self, event: dict[str, Any]) -> None:
        words = [_filled(word, event) for word in self.command]
        subprocess.run(words, input=json.dumps(event).encode(), timeout=SECONDS, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (the user's own command)

    def _post(self, event: dict[str, Any]) -> None:
        request = urllib.request.Request(  # noqa: S310 (http alone, see above)
            str(self.webhook), data=json.dumps(event).encode(), headers={"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310
            pass


def _filled(word: str, event: dict[str, Any]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: str(event.get(found[1], found[0])), word)


def _report(field: str, call: Any) -> None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 (of any kind: none of them may end the watch)
        reason = f"exit status {error.returncode}" if isinstance(error, subprocess.CalledProcessError) else type(error).__name__
        print(f"lacuna watch: {field} failed: {reason}", file=sys.stderr, flush=True)
