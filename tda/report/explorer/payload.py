"""Data of the explorer as JavaScript files: `lacuna.put(name, value)`, arrays as base64 of their little-endian bytes.

A page that was opened from disk may read neither JSON files nor inline scripts under its content policy; scripts of its own folder it may.
"""

import base64
import json
from typing import Any

import numpy as np

KINDS = {"f4": "<f4", "i4": "<i4"}


def packed(values: Any, kind: str) -> dict[str, str]:
    """An array of any shape, flat: `kind` is f4 or i4. NaN stands for a missing number, -1 for a missing index."""
    return {kind: base64.b64encode(np.ascontiguousarray(values, dtype=KINDS[kind]).tobytes()).decode()}


def script(name: str, value: Any) -> bytes:
    """A file that hands `value` to the page. Characters that could end a script or a line of one are escaped: it stays text."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"lacuna.put({json.dumps(name)},{text.replace('<', chr(92) + 'u003c')});\n".encode()
