"""Display names: short, configured, and never two alike."""

from tda.report.data.names import distinct, shown_names


def test_a_view_is_shown_by_its_base_where_that_is_free() -> None:
    assert shown_names(["a-minus-b", "c"], {}) == {"a-minus-b": "a", "c": "c"}
    assert shown_names(["a-minus-b", "a"], {}) == {"a-minus-b": "a-minus-b", "a": "a"}
    assert shown_names(["a-minus-b", "a-minus-c"], {}) == {"a-minus-b": "a-minus-b", "a-minus-c": "a-minus-c"}


def test_configured_names_win() -> None:
    assert shown_names(["a-minus-b", "c"], {"a-minus-b": "held out", "c": "C"}) == {"a-minus-b": "held out", "c": "C"}


def test_encoders_that_would_be_shown_alike_keep_their_own_names() -> None:
    assert distinct(["x", "y", "z"], {"x": "InfoNCE", "y": "InfoNCE", "z": "CLOOB"}) == {"z": "CLOOB"}
    assert distinct(["x", "y"], {"x": "y"}) == {}
    assert distinct(["x"], {"x": "A", "y": "A"}) == {"x": "A", "y": "A"}
