"""Which members of a tar are an image and its caption, as a setting: `{image: [input.jpg], caption: [caption, json:TEXT]}`.

An entry is what follows the key and a dot in a member's name, in any case; with `:FIELD` it is a JSON object's field. Of several entries
the first that a pair has counts. Members that are not named are passed over.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tda.errors import UserError
from tda.store.shards.grouping import Group
from tda.store.shards.webdataset import judged
from tda.store.types import Drop, Reason, printable

FIELD = "dataset.members"
_ENDING = re.compile(r"[^\s/:.][^\s/:]*")
PARTS = ("image", "caption")


@dataclass(frozen=True)
class Members:
    """`image`: endings of names; `caption`: an ending, or an ending with the field of its JSON."""

    image: tuple[str, ...]
    caption: tuple[tuple[str, str], ...]  # (ending, field); "" is the whole text

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> "Members | None":
        """None for no setting. Raises UserError for one that names no members."""
        if given is None:
            return None
        if not isinstance(given, Mapping) or set(given) != set(PARTS):
            raise UserError(f"{FIELD}={_shown(given)} needs both parts: {{image: [jpg], caption: [txt]}}")
        image, caption = (_entries(part, given[part]) for part in PARTS)
        if fielded := next((entry for entry in image if entry[1]), None):
            raise UserError(f"{FIELD}.image names {':'.join(fielded)}, but an image is a member of its own: give its ending, such as jpg")
        endings = [*dict.fromkeys(image), *dict.fromkeys(entry[0] for entry in caption)]
        if twice := next((one[0] for one in image if one[0] in {entry[0] for entry in caption}), None):
            raise UserError(f"{FIELD} names {twice} as image and as caption")
        assert endings, "each part has an entry"
        return cls(tuple(ending for ending, _ in image), caption)

    def plain(self) -> dict[str, list[str]]:
        """As it is written in a configuration and in a record."""
        return {"image": list(self.image), "caption": [f"{ending}:{field}" if field else ending for ending, field in self.caption]}

    def group(self) -> type[Group]:
        """The class of a shard's groups."""
        roles = {ending.lower(): f"image:{ending}" for ending in self.image}
        roles |= {ending.lower(): f"{'meta' if field else 'caption'}:{ending}" for ending, field in self.caption}
        longest = sorted(roles, key=len, reverse=True)
        return type("MemberGroup", (_MemberGroup,), {"members": self, "roles": roles | {"": ""}, "endings": tuple(longest)})


def _entries(part: str, given: Any) -> tuple[tuple[str, str], ...]:
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, Sequence) or not listed:
        raise UserError(f"{FIELD}.{part}={_shown(given)} names no member: give endings such as {'jpg' if part == 'image' else 'txt'}")
    return tuple(_entry(part, one) for one in listed)


def _entry(part: str, given: Any) -> tuple[str, str]:
    ending, colon, field = str(given).removeprefix(".").partition(":")
    if not _ENDING.fullmatch(ending) or bool(colon) != bool(field):
        raise UserError(f"{FIELD}.{part} has {_shown(given)}: give the ending of a member's name, or ENDING:FIELD of its JSON")
    return ending, field


def _shown(given: Any) -> str:
    return printable(repr(given), 80)


class _MemberGroup(Group):
    """A pair whose members a setting names."""

    members: Members
    roles: Mapping[str, str]
    endings: tuple[str, ...]

    @classmethod
    def key_and_role(cls, name: str) -> tuple[str, str | None]:
        low = name.lower()
        for ending in cls.endings:
            if low.endswith(f".{ending}"):
                return name[: -len(ending) - 1], cls.roles[ending]
        if low.endswith(".json"):  # its url and sizes
            return name[: -len(".json")], "meta:json"
        return name, None

    @property
    def whole(self) -> bool:
        return self._image() is not None and self._caption() is not None

    def pair(self) -> Any:
        image, text = self._image(), self._caption()
        if image is None:
            return self._missing(Reason.MISSING_IMAGE, self.members.plain()["image"])
        if text is None:
            return self._missing(Reason.MISSING_CAPTION, self.members.plain()["caption"])
        return judged(self, image, text, self._object("json"))

    def _missing(self, reason: Reason, wanted: list[str]) -> Drop:
        have = ", ".join(role.partition(":")[2] for role in self.parts) or "nothing"
        return self.drop(reason, f"it has {have}, and none of {', '.join(wanted)}")

    def _image(self) -> bytes | None:
        return next((self.parts[role] for ending in self.members.image if (role := f"image:{ending}") in self.parts), None)

    def _caption(self) -> bytes | str | None:
        for ending, field in self.members.caption:
            if not field and (raw := self.parts.get(f"caption:{ending}")) is not None:
                return raw
            if field and isinstance(text := self._object(ending).get(field), str):
                return text
        return None

    def _object(self, ending: str) -> dict[str, Any]:
        try:
            found = json.loads(self.parts.get(f"meta:{ending}", b"{}"))
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}
