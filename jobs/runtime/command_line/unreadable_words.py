"""One line for an argument that Hydra's grammar does not read: the argument as a shell takes it, what is wrong, what would be right."""

import re
import shlex

from jobs.runtime.command_line.literal_paths import WORD, items
from jobs.runtime.schema_types import alternatives, field_type

CLOSING = {"[": "]", "{": "}", "(": ")"}
ODD = re.compile(r"[^\w\s./:+@%?|\\*$,()\[\]{}-]")  # what no word of the grammar holds outside of quotes
SHOWN = 200  # letters of an argument at most


def unreadable(word: str, schema: type) -> str:
    """The line for one argument. Fields of text take any value as typed, so the field is a list, a number or a group of settings."""
    found = WORD.fullmatch(word)
    head = f"the argument {_shown(word)} cannot be read"
    if found is None and field_type(schema, word) is not None:
        return f"{head}: it has no value, give {word}=VALUE"
    if found is None:
        return f"{head}: it is no KEY=VALUE, where a KEY is of the letters a to z, digits and . _ -"
    return f"{head}: {_fault(found[3])}; {_right(found[2], found[3], schema)}"


def _shown(word: str) -> str:
    return shlex.quote(word if len(word) <= SHOWN else word[:SHOWN] + "...")


def _fault(value: str) -> str:
    """The first thing that the grammar stumbles over."""
    open_signs, quote = list[str](), ""
    for sign in value:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in CLOSING:
            open_signs.append(sign)
        elif sign in CLOSING.values() and (not open_signs or CLOSING[open_signs.pop()] != sign):
            return f"{sign} closes nothing"
    if quote:
        return f"the quote {quote} is not closed"
    if open_signs:
        return f"{open_signs[-1]} is not closed"
    odd = ODD.search(value)
    return f"{odd[0]} has a meaning of its own there" if odd else "it is neither a word, a number, a list nor a mapping"


def _right(key: str, value: str, schema: type) -> str:
    """What the field takes; a text with such signs between quotes, in a form that a shell hands on."""
    kinds = alternatives(field_type(schema, key))
    if int in kinds or float in kinds:
        return f"{key} takes a number"
    if bool in kinds:
        return f"{key} takes true or false"
    inside = re.search(rf"[^\s,:\[\]{{}}]*{ODD.pattern}[^\s,\[\]{{}}]*", value)
    if list[str] not in kinds and value[:1] in CLOSING and inside:
        return f"write {_quoted(inside[0])} between quotes within it"
    inner = value.removeprefix("[").removesuffix("]")
    text = f"[{','.join(_quoted(item) for item in items(inner))}]" if list[str] in kinds else _quoted(value)
    return f"a text with such signs stands between quotes: {shlex.quote(f'{key}={text}')}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
