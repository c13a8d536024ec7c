"""Where `jobs.fetch` puts published files, and where presets look for them: $LACUNA_FETCHED, else `fetched` in the cache folder."""

import os
from pathlib import Path

from tda.config.models import EncoderConfig
from tda.store.files import exists, join


def cache_dir() -> Path:
    """The folder of fetched and converted checkpoints: $LACUNA_CACHE, else `lacuna` in the user's cache folder."""
    own = os.environ.get("LACUNA_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lacuna"


def fetched_dir() -> str:
    """A folder or URL."""
    return os.environ.get("LACUNA_FETCHED") or str(cache_dir() / "fetched")


def file_name(url: str) -> str:
    """The name under which a published file is kept."""
    return url.partition("?")[0].rstrip("/").rsplit("/", 1)[-1]


def checkpoint_of(encoder: EncoderConfig) -> str | None:
    """The checkpoint that is configured, else the published file if it was fetched; never asks a network of its publisher."""
    if encoder.checkpoint or not encoder.url:
        return encoder.checkpoint
    kept = join(fetched_dir(), file_name(encoder.url))
    return kept if exists(kept) else None
