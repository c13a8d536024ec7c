"""A page under test, and what it did that it should not have."""

from pathlib import Path
from typing import Any


def opened(context: Any, file: Path, *, own: Path | None = None) -> tuple[Any, list[str]]:
    """The file in a new page, and everything that went wrong or went out; files of the folder `own` belong to the page."""
    allowed = ("data:", "blob:", "about:", (own or file.parent).as_uri(), file.as_uri())
    page = context.new_page()
    page.set_default_timeout(120_000)  # a busy machine is no failure
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: None if request.url.startswith(allowed) else wrong.append(request.url))
    page.goto(file.as_uri())
    return page, wrong
