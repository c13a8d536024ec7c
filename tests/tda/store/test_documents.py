"""Documents that carry their own digest: what is changed is found, what is no object is refused in one line."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tda.store.documents import SEAL, document_if_whole, parsed, read_document, seal_holds, sealed, unsealed
from tda.store.files import publish_json

PLAIN = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists)
CONTENT = st.dictionaries(st.text().filter(lambda name: name != SEAL), PLAIN)


@given(CONTENT)
def test_a_document_holds_after_a_round_trip_and_keeps_its_fields(content: dict[str, object]) -> None:
    again = json.loads(json.dumps(sealed(content), indent=1))
    assert seal_holds(again) is True
    assert unsealed(again) == json.loads(json.dumps(content))
    assert sealed(again) == again, "sealing twice changes nothing"


@given(CONTENT, st.text().filter(lambda name: name != SEAL), st.integers())
def test_any_change_is_found(content: dict[str, object], name: str, value: int) -> None:
    document = sealed(content)
    changed = {**document, name: value}
    assert seal_holds(changed) is (json.dumps(content.get(name, "nothing")) == json.dumps(value))
    assert seal_holds({**document, SEAL: "0" * 64}) is False


def test_the_digest_is_of_content_and_not_of_the_order_or_layout_of_the_file() -> None:
    assert sealed({"a": (1, 2), "b": {2: 0.1}})[SEAL] == sealed({"b": {"2": 0.1}, "a": [1, 2]})[SEAL]
    assert list(sealed({"b": 1, "a": 2})) == [SEAL, "b", "a"]
    with pytest.raises(ValueError, match="Out of range"):
        sealed({"a": float("nan")})


def test_a_document_of_an_earlier_version_has_no_digest_to_hold() -> None:
    assert seal_holds({"schema": 1}) is None


NO_OBJECTS = {
    b"[" * 100_000: "nested too deeply",
    b'{"a":' * 50_000: "nested too deeply",
    b"[]": "a list",
    b"null": "null",
    b'"a"': "a text",
    b"true": "true or false",
    b"1.5": "a number",
    b"": "Expecting value",
    b"\xff\xfe{": "decode|BOM|Expecting",
    b"{": "Expecting",
}


@pytest.mark.parametrize(("data", "reason"), NO_OBJECTS.items(), ids=lambda value: str(value)[:12])
def test_what_is_no_object_is_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as error:
        parsed(data)
    assert "\n" not in str(error.value)


def test_only_a_whole_document_is_used_again(tmp_path: Path) -> None:
    url = str(tmp_path / "one.json")
    assert document_if_whole(url) == {}
    publish_json(url, sealed({"a": 1}))
    assert read_document(url) == document_if_whole(url) == sealed({"a": 1})
    publish_json(url, {**sealed({"a": 1}), "a": 2})
    assert (document_if_whole(url), read_document(url)["a"]) == ({}, 2)
    publish_json(url, {"a": 3})
    assert document_if_whole(url) == {"a": 3}, "one of an earlier version"
    (tmp_path / "one.json").write_text("[" * 100_000)
    assert document_if_whole(url) == {}
    assert document_if_whole(url + "/below") == {}
