import errno
import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tda.errors import LacunaError, UserError
from tda.store.files import (
    absolute,
    exists,
    file_sha256,
    join,
    list_files,
    publish,
    publish_bytes,
    publish_json,
    read_bytes,
    read_json,
    require_writable,
)

ROOTS = ["local", "memory"]


@pytest.fixture(params=ROOTS)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "root") if request.param == "local" else f"memory://{tmp_path.name}-files"


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_published_is_read_back_and_listed(root: str) -> None:
    publish_json(join(root, "a", "x.json"), {"b": [1, None]})
    publish_bytes(join(root, "a", "_hidden.json"), b"{}")
    publish_bytes(join(root, "a", "y.txt"), b"why")
    assert read_json(join(root, "a", "x.json")) == {"b": [1, None]}
    assert read_bytes(join(root, "a", "y.txt")) == b"why"
    assert exists(join(root, "a", "x.json"))
    assert not exists(join(root, "a", "z"))
    assert list_files(join(root, "a")) == ["x.json", "y.txt"]
    assert list_files(join(root, "a"), ".json") == ["x.json"]
    assert list_files(join(root, "nowhere")) == []


def test_an_older_file_is_replaced_whole(root: str) -> None:
    publish_bytes(join(root, "f"), b"long content")
    publish_bytes(join(root, "f"), b"short")
    assert read_bytes(join(root, "f")) == b"short"


class StopNow(BaseException):
    """Not an Exception, as KeyboardInterrupt is not."""


@pytest.mark.parametrize("error", [RuntimeError, StopNow])
def test_a_writer_that_raises_leaves_the_old_file_and_nothing_else(root: str, error: type[BaseException], tmp_path: Path) -> None:
    publish_bytes(join(root, "f"), b"old")

    def write(file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise error

    with pytest.raises(error):
        publish(join(root, "f"), write)  # type: ignore[arg-type]
    assert read_bytes(join(root, "f")) == b"old"
    assert everything(tmp_path) in ([], ["root/f"])


def test_a_check_sees_the_whole_file_and_can_refuse_it(root: str) -> None:
    seen = []

    def check(path: Path) -> None:
        seen.append(path.read_bytes())
        raise ValueError

    with pytest.raises(ValueError):
        publish(join(root, "f"), lambda file: file.writelines([b"content"]), check)
    assert seen == [b"content"]
    assert not exists(join(root, "f"))


def test_a_full_disk_is_named_in_one_line(root: str) -> None:
    def write(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(LacunaError, match="f cannot be written: No space left"):
        publish(join(root, "f"), write)


def test_a_writer_that_is_killed_leaves_no_file_under_the_name(tmp_path: Path) -> None:
    publish_bytes(str(tmp_path / "f"), b"old")
    script = (
        "import sys, time\nfrom tda.store.files import publish\n"
        "def write(file):\n    file.write(b'half'); file.flush(); print('writing', flush=True); time.sleep(60)\n"
        "publish(sys.argv[1], write)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "f")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert read_bytes(str(tmp_path / "f")) == b"old"
    assert list_files(str(tmp_path)) == ["f"], "what the dead writer left begins with a dot"


@pytest.mark.parametrize("root", ["/proc/lacuna", __file__ + "/below"])
def test_a_root_that_cannot_be_written_is_one_clear_line(root: str) -> None:
    with pytest.raises(UserError, match=f"^root={root} cannot be written: .+$"):
        require_writable(root)


def test_a_writable_root_is_left_as_it_was(root: str) -> None:
    require_writable(root)
    assert list_files(root) == []


def test_an_unknown_protocol_is_a_users_mistake() -> None:
    with pytest.raises(UserError, match="nope://x"):
        exists("nope://x")


def test_nan_is_refused_in_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        publish_json(str(tmp_path / "f.json"), float("nan"))


@pytest.mark.parametrize(("root", "joined"), [("/a/", "/a/b/c"), ("s3://bucket", "s3://bucket/b/c"), ("/", "/b/c"), ("rel", "rel/b/c")])
def test_join(root: str, joined: str) -> None:
    assert join(root, "b", "/c") == joined


def test_absolute_is_valid_in_another_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("a/b.tar") == absolute(f"file://{tmp_path}/a/b.tar") == str(tmp_path / "a" / "b.tar")
    for url in ("memory://a/b.tar", "s3://bucket/b.tar", "pkg://conf/model/toy.json"):
        assert absolute(url) == url


def test_a_digest_is_that_of_the_bytes_by_url_and_by_path(root: str, tmp_path: Path) -> None:
    publish_bytes(join(root, "f"), content := bytes(range(256)) * 9000)  # more than two blocks
    (tmp_path / "a::b").write_bytes(content)  # no URL, though it looks like one
    assert file_sha256(join(root, "f")) == file_sha256(tmp_path / "a::b") == hashlib.sha256(content).hexdigest()
    for missing in (join(root, "nowhere"), tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError):
            file_sha256(missing)
