"""The options of a command line, those of Hydra: they may stand anywhere, and a wrong one is refused in one line."""

import difflib
import re
from argparse import ArgumentParser
from typing import NoReturn

from tda.errors import UserError


def settings_first(words: list[str]) -> list[str]:
    """The words with options behind the settings, between which Hydra does not look for settings.

    Raises UserError for an option that is unknown, or has the wrong value.
    """
    settings = list(reversed(settings_of(words)))
    options = list[str]()
    for word in words:
        if settings and word == settings[-1]:
            settings.pop()
        else:
            options.append(word)
    return settings_of(words) + options


def settings_of(words: list[str]) -> list[str]:
    """The words that are no options, nor values of them. Raises UserError as `settings_first` does."""
    found = _parser().parse_intermixed_args([word for word in words if word != "--version"])  # it would print, and end the command
    return list(found.overrides)


def _parser() -> ArgumentParser:
    # Hydra's own parser: a copy of its options would fall behind. The release of Hydra is bounded in pyproject.toml.
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    parser.error = lambda message: _refuse(message, parser)  # type: ignore[method-assign]
    return parser


def _refuse(message: str, parser: ArgumentParser) -> NoReturn:
    """Raise UserError with argparse's message in our words."""
    if found := re.match(r"unrecognized arguments: (\S+)", message):
        raise UserError(_unknown(found[1], parser))
    if found := re.match(r"argument (--[\w-]+)\S*: invalid choice: (.*) \(choose from (.*)\)", message):
        raise UserError(f"{found[1]} {found[2]} is unknown; choose one of: {found[3].replace(chr(39), '')}")
    if found := re.match(r"argument (--[\w-]+)\S*: expected one argument", message):
        raise UserError(f"{found[1]} has no value: give {found[1]} VALUE")
    if found := re.match(r"argument (--[\w-]+)\S*: ignored explicit argument (.*)", message):
        raise UserError(f"{found[1]}={found[2]}: {found[1]} takes no value, leave it away")
    if found := re.match(r"ambiguous option: (\S+) could match (.*)", message):
        raise UserError(f"{found[1]} is short for more than one option; choose one of: {found[2]}")
    raise UserError(message)


def _unknown(word: str, parser: ArgumentParser) -> str:
    key, sign, value = word.lstrip("-").partition("=")
    if sign:
        return f"{word}: a setting has no dash before it, give {key}={value}"
    known = sorted(option for option in parser._option_string_actions if option.startswith("--"))  # noqa: SLF001
    near = difflib.get_close_matches(word, known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"{word} is no option{hint}; choose one of: {', '.join(known)}; a setting is KEY=VALUE"
