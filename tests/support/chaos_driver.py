"""`python -m jobs.embed` with the quick encoder, as a process of its own: python -m chaos_driver MEETING OVERRIDES..."""

import os
import sys
from pathlib import Path

from chaos import Meeting, quick_describe, quick_embedder

import jobs.embed

if __name__ == "__main__":
    jobs.embed.Embedder = quick_embedder(Meeting(Path(sys.argv.pop(1))), driver=os.getpid())  # type: ignore[misc]  # in its place
    jobs.embed.describe = quick_describe
    sys.exit(jobs.embed.main())
