from pathlib import Path

from small_rows import drop

from tda.store.files import exists, publish_json
from tda.store.layout import Layout
from tda.store.quarantine import Drop, Reason, Stage, count_reasons, publish_quarantine, read_quarantine


def test_drops_are_kept_with_their_reason_in_order(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    drops = [drop(7), Drop(2, "caf\udce9", Stage.DECODE, Reason.IMAGE_TRUNCATED, "x" * 1000)]
    publish_quarantine(layout.quarantine("d", "e", "00000"), "00000", drops)
    publish_quarantine(layout.quarantine("d", "e", "00001"), "00001", [drop(0)])
    publish_json(layout.record("d", "e", "00000"), {})
    publish_json(layout.record("d", "e", "00001"), {})
    publish_quarantine(layout.quarantine("d", "e", "00002"), "00002", [drop(0)])  # not recorded, so not there
    rows = read_quarantine(layout, "d", "e").to_pylist()
    assert [(row["shard"], row["ordinal"], row["stage"], row["reason"]) for row in rows] == [
        ("00000", 2, "decode", "image_truncated"),
        ("00000", 7, "read", "missing_caption"),
        ("00001", 0, "read", "missing_caption"),
    ]
    assert rows[0]["key"] == "caf\\udce9"
    assert len(rows[0]["detail"]) == 300
    assert read_quarantine(layout, "d", "e", "00001").num_rows == 1


def test_without_drops_there_is_no_file_not_even_an_old_one(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    url = layout.quarantine("d", "e", "0")
    publish_quarantine(url, "0", [])
    assert not exists(url)
    publish_quarantine(url, "0", [drop(0)])
    publish_quarantine(url, "0", [])
    assert not exists(url)
    assert read_quarantine(layout, "d", "e").num_rows == 0
    assert read_quarantine(layout, "d", "e", "0").num_rows == 0


def test_counts_by_reason() -> None:
    assert count_reasons([drop(0), drop(1), drop(2, Reason.BAD_MEMBER)]) == {"bad_member": 1, "missing_caption": 2}
