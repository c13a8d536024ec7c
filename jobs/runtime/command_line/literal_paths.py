"""Paths on a command line, quoted for Hydra, whose grammar gives `=`, braces, brackets and commas a meaning.

A shell removes the quotes of `dataset.shards='x{0..1}.tar'`; a program that passes a list of arguments may leave them. Both mean the same.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tda.errors import UserError

PATHS = {  # fields whose values are paths, URLs or patterns
    "root",
    "source",
    "dataset.keep",
    "dataset.shards",
    "reference.shards",
    "encoder.checkpoint",
    "encoder.config",
    "encoder.tokenizer",
}
GROUPS = ("shards.", "checkpoints.")  # of an experiment: one path a name
WORD = re.compile(r"(\+{0,2})([\w.@/-]+)=(.*)", re.DOTALL)  # key=value, of any key that Hydra knows


def literal_paths(words: list[str]) -> list[str]:
    """The words of a command line, with the values of path fields quoted for Hydra's grammar; interpolations `${...}` still work.

    One enclosing pair of quotes is removed. `null` stays null, and `[a,b]` stays a list; a file whose name has the quotes or brackets wins.
    Raises UserError for a key with letters that Hydra does not know.
    """
    return [_literal(word) for word in words]


def is_path(field: str) -> bool:
    """Whether the field of this dotted name holds a path, a URL or a pattern."""
    return field in PATHS or field.startswith(GROUPS)


def _literal(word: str) -> str:
    found = WORD.fullmatch(word)
    if found and not found[2].isascii():
        raise UserError(f"{found[2]}=...: names on the command line are of the letters a to z, digits and . _ -")
    if word.startswith("="):
        raise UserError(f"the argument {word!r} names no field: give KEY=VALUE")
    if not found or not is_path(found[2]):
        return word
    return f"{found[1]}{found[2]}={_value(_as_a_shell(found[3]))}"


def _as_a_shell(text: str) -> str:
    """The text without the quotes that a shell removes, unless a file is named so: 'a','b' is the path a,b."""
    if _exists(text):
        return text
    parts = list(items(text))
    if len(parts) > 1 and all(unquoted(part) != part for part in parts):
        return ",".join(map(unquoted, parts))
    return unquoted(text)


def _value(text: str) -> str:
    if text in ("", "null", "???"):
        return text
    if is_list(text) and not _exists(text):
        return f"[{','.join(quoted(item if _exists(item) else unquoted(item)) for item in items(text[1:-1]))}]"
    return quoted(text)


def unquoted(text: str) -> str:
    """The text without one enclosing pair of quotes."""
    paired = len(text) >= 2 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if paired else text


def quoted(text: str) -> str:
    """The text between single quotes for Hydra's grammar, in which backslashes count only before a quote and at the end."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text) + "'"


def is_list(text: str) -> bool:
    """Whether the bracket that opens the text is closed by its last character: `[a]*[b]` is a glob."""
    if not (text.startswith("[") and text.endswith("]")):
        return False
    depth, quote = 0, ""
    for at, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        else:
            depth += (sign == "[") - (sign == "]")
        if depth == 0 and not quote and at < len(text) - 1:
            return False
    return True


def items(text: str) -> Iterator[str]:
    """The items of a list, divided at commas outside of quotes, braces and brackets."""
    item, depth, quote = "", 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
        if sign == "," and not quote and depth <= 0:
            yield item.strip()
            item = ""
        else:
            item += sign
    if item.strip():
        yield item.strip()


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long for a name, or with a character that no name may hold
        return False
