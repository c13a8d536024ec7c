"""No network while a library builds a model or a tokenizer: what is asked of a hub then fails at once instead of being fetched."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
_HUB = "huggingface_hub.constants"
_lock = threading.RLock()  # the environment is the process's: one builds at a time


@contextmanager
def offline() -> Iterator[None]:
    """The libraries of Hugging Face are offline, and as they were before when it ends. Files that the user names are fetched outside it."""
    with _lock:
        before = {name: os.environ.get(name) for name in _VARIABLES}
        os.environ.update(dict.fromkeys(_VARIABLES, "1"))
        hub = sys.modules.get(_HUB)  # it has read the environment where it is imported
        flag = getattr(hub, "HF_HUB_OFFLINE", None)
        try:
            if hub is not None:
                hub.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]  # its own name
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})
            if (late := sys.modules.get(_HUB)) is not None:
                late.HF_HUB_OFFLINE = _is_on(before["HF_HUB_OFFLINE"]) if hub is None else flag  # type: ignore[attr-defined]


def _is_on(value: str | None) -> bool:
    return (value or "").upper() in {"1", "ON", "YES", "TRUE"}
