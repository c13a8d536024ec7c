"""The report inside a notebook: a frame around the file that `jobs.report` made."""

import html
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tda.errors import UserError
from tda.store.paths import RootPaths


@dataclass(frozen=True)
class Frame:
    """What a notebook shows: it asks for `_repr_html_`."""

    source: str
    height: int

    def _repr_html_(self) -> str:
        attributes = f'src="{html.escape(self.source)}" width="100%" height="{int(self.height)}" style="border:0"'
        return f'<iframe {attributes} sandbox="allow-scripts allow-same-origin allow-downloads" title="Lacuna"></iframe>'


def show(root: str, dataset: str, encoder: str, height: int) -> Frame:
    """The explorer, or the page where there is none; by a path from the notebook's folder, since notebooks serve files from there."""
    folder = Path(RootPaths(root).report()).parent
    found = next((file for file in ("explore.html", "index.html") if (folder / file).exists()), None)
    if found is None:
        raise UserError(f"root={root} holds no report on this machine; run python -m jobs.report root={root} first")
    path = quote(os.path.relpath(folder / found))
    words = "&".join(f"{key}={quote(one, safe='')}" for key, one in (("dataset", dataset), ("models", encoder)) if one)
    return Frame(f"{path}#{words}" if words and found == "explore.html" else path, height)
