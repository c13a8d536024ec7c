"""`jobs.dedupe` in a process that is killed while it publishes a view: python killed_dedupe.py <number of the view> <words>."""

import os
import signal
import sys
from typing import Any

from jobs import dedupe

if __name__ == "__main__":
    number, published = int(sys.argv.pop(1)), dedupe.publish_kept
    made: list[str] = []

    def publish(*arguments: Any) -> Any:
        made.append("one more")
        if len(made) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return published(*arguments)

    dedupe.publish_kept = publish
    sys.exit(dedupe.main())
