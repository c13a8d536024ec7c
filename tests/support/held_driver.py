"""A job as a process that waits once it works, so that a test can send it a signal: python -m held_driver FLAG JOB OVERRIDES...

It touches FLAG at the first wait for its actors, or, where it has none, at the first file of its root that it opens for its results.
"""

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDERS = ("embeddings/", "nearest/", "analysis/", "report/", "dedupe/", "models/")


def hold_at_files(flag: Path, root: str) -> None:
    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(args[0], str) and args[0].removeprefix(f"{root}/").startswith(FOLDERS):
            _hold(flag)

    sys.addaudithook(hook)


def hold_at_actors(flag: Path) -> None:
    from jobs.runtime.session import import_ray

    import_ray()
    import ray

    wait, get = ray.wait, ray.get

    def held(original: Callable[..., Any]) -> Callable[..., Any]:
        def waiting(*args: Any, **options: Any) -> Any:
            flag.touch()
            if (flag.parent / "hold").exists():
                wait([ray.remote(_sleep).remote()])  # a task that is at work
            return original(*args, **options)

        return waiting

    ray.wait, ray.get = held(wait), held(get)


def _sleep() -> None:
    time.sleep(60)


def _hold(flag: Path) -> None:
    flag.touch()
    while (flag.parent / "hold").exists():
        time.sleep(0.05)


if __name__ == "__main__":
    flag, job = Path(sys.argv.pop(1)), sys.argv.pop(1)
    (root,) = (word.removeprefix("root=") for word in sys.argv if word.startswith("root="))
    if job in ("embed", "nearest", "analyze", "train", "export", "watch"):
        hold_at_actors(flag)
    else:
        hold_at_files(flag, root)
    sys.exit(importlib.import_module(f"jobs.{job}").main())
