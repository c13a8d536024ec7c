"""The same broken tars before other readers and ours: what each of them gives is what the README's table says."""

from pathlib import Path

import peers
import pytest

README = (Path(__file__).parent / "README.md").read_text()
HEAD = [cell.strip() for cell in next(line for line in README.splitlines() if line.startswith("| a tar of")).strip("|").split("|")]
TABLE = {
    cells[0]: dict(zip(HEAD[1:], cells[1:], strict=True))
    for line in README.splitlines()
    if line.count("|") == len(HEAD) + 1 and "`" not in line and (cells := [cell.strip() for cell in line.strip("|").split("|")])
}


def written(found: tuple[int, str]) -> str:
    return f"{found[0]}{f', {found[1]}' if found[1] else ''}"


@pytest.mark.parametrize("case", peers.CASES)
def test_what_lacuna_gives(tmp_path: Path, case: str) -> None:
    (tmp_path / "x.tar").write_bytes(peers.CASES[case]())
    pairs, said = peers.ours(tmp_path / "x.tar")
    assert written((pairs, said)) == TABLE[case]["Lacuna"]
    assert pairs == peers.PAIRS or said, "what is not given is named"


@pytest.mark.parametrize("reader", peers.READERS)
@pytest.mark.parametrize("case", peers.CASES)
def test_what_another_reader_gives(tmp_path: Path, case: str, reader: str) -> None:
    if not peers.available(reader):
        pytest.skip(f"{reader} is not installed here")
    (tmp_path / "x.tar").write_bytes(peers.CASES[case]())
    assert written(peers.peer(reader, tmp_path / "x.tar")) == TABLE[case][reader]
