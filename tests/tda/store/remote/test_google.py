"""What is Google's alone: credentials, a client that may be missing, and uploads that are several requests."""

import sys
from collections.abc import Iterator

import numpy as np
import pytest
from faulty_store import Fault, Proxy, faulty_google

from tda.errors import UserError
from tda.store.files import exists, filesystem, publish_bytes, read_bytes, require_writable

LARGE = np.random.default_rng(0).bytes(6_000_000)  # more than gcsfs sends in one request


pytestmark = pytest.mark.usefixtures("calm")


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with faulty_google() as found:
        yield found


@pytest.fixture
def google(proxy: Proxy) -> Proxy:
    return proxy


@pytest.mark.parametrize("kind", [503, "reset", 404, 410], ids=["503", "reset", "no such upload", "the upload has ended"])
def test_an_upload_that_breaks_between_its_requests_is_begun_again(google: Proxy, kind: int | str) -> None:
    url = f"{google.root}/large-{kind}"
    google.faults.append(Fault("upload_id=", kind, "PUT", times=2))
    publish_bytes(url, LARGE, once=True)
    assert google.faults[0].times == 0
    assert read_bytes(url) == LARGE


def test_a_large_file_takes_a_name_once(google: Proxy) -> None:
    url = f"{google.root}/large"
    publish_bytes(url, LARGE, once=True)
    with pytest.raises(FileExistsError, match="taken"):
        publish_bytes(url, LARGE[1:], once=True)
    google.faults.append(Fault("upload_id=", "lost", "PUT", times=1))
    with pytest.raises(FileExistsError):  # it is there, and the caller sees by its content that it is ours
        publish_bytes(f"{url}-lost", LARGE, once=True)
    assert read_bytes(url) == read_bytes(f"{url}-lost") == LARGE


def test_a_fault_is_tried_again_by_one_layer(google: Proxy) -> None:
    publish_bytes(f"{google.root}/busy", b"1")
    google.faults.append(Fault("/busy", 503))
    before = google.seen["GET"]
    with pytest.raises(OSError, match=r"busy: SlowDown, 503 \(tried 4 times\)$"):
        read_bytes(f"{google.root}/busy")
    assert google.seen["GET"] - before == 4


def test_without_credentials_one_line_says_how_to_get_them(google: Proxy) -> None:
    google.faults += [Fault("/mine", 401, method) for method in ("GET", "HEAD", "PUT")]
    with pytest.raises(UserError, match=rf"^root={google.root}/mine cannot be written: [^\n]*no credentials [^\n]*gcloud auth [^\n]*$"):
        require_writable(f"{google.root}/mine")
    fs, path = filesystem(f"{google.root}/mine/0.tar")
    with pytest.raises(PermissionError, match="no credentials for Google's store"):
        fs.info(path)


def test_without_gcsfs_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tda.store.remote.google", raising=False)
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.setitem(sys.modules, "gcsfs.core", None)
    for url in ("gs://bucket/x", "gcs://bucket/x"):
        with pytest.raises(UserError, match=rf"^'{url}' is on Google's store.*pip install 'lacuna\[gcs\]'"):
            exists(url)
