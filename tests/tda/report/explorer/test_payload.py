"""Data files hand over exactly what they were given, and nothing in them runs."""

import base64
import json

import numpy as np
import pytest

from tda.report.explorer.payload import packed, script


def test_arrays_are_little_endian_and_keep_every_bit() -> None:
    values = np.array([[1.5, np.nan], [-2.25, 3e-8]], np.float32)
    back = np.frombuffer(base64.b64decode(packed(values, "f4")["f4"]), "<f4")
    assert np.array_equal(back, values.ravel(), equal_nan=True)
    assert np.array_equal(np.frombuffer(base64.b64decode(packed([3, -1], "i4")["i4"]), "<i4"), [3, -1])


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "\u2028\u2029 end", '"quoted\\" \x00', "<!--", "\ud800"])
def test_strangers_text_stays_inside_its_quotes(text: str) -> None:
    made = script("name", {"a": text}).decode("ascii")
    assert made.startswith('lacuna.put("name",{')
    assert made.endswith(");\n")
    assert "<" not in made
    assert made.count("\n") == 1
    assert json.loads(made[len('lacuna.put("name",') : -3]) == {"a": text}
