"""Images of strangers become small JPEGs, or nothing."""

import base64
import io
from pathlib import Path

import pytest
from bad_shards import giant_png, good_pairs, picture, write_tar
from PIL import Image

from tda.report.contact.thumbnails import SIDE, shrunk, thumbnails


def opened(uri: str) -> Image.Image:
    head, _, data = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (picture(1, size=(640, 320)), (SIDE, SIDE // 2)),
        (picture(2, size=(30, 50)), (30, 50)),
        (picture(3, kind="PNG", mode="LA", size=(200, 200)), (SIDE, SIDE)),
        (picture(4, mode="CMYK", size=(320, 640)), (SIDE // 2, SIDE)),
    ],
)
def test_they_fit(data: bytes, size: tuple[int, int]) -> None:
    image = opened(shrunk(data, 10**6))
    assert (image.size, image.format, image.mode) == (size, "JPEG", "RGB")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest puts away the decoder's own filter
@pytest.mark.parametrize("data", [b"", b"<html>", picture(1)[:200], giant_png()])
def test_what_is_no_image_or_too_large_is_nothing(data: bytes) -> None:
    assert shrunk(data, 10**6) == ""


def test_no_decoder_is_reached_that_embedding_does_not_use(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    eps = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n({mark}) (w) file closefile\nshowpage\n%%EOF\n".encode()
    for data in (eps, picture(1, kind="GIF"), picture(1, kind="TIFF"), picture(1, kind="BMP"), picture(1, kind="PPM")):
        assert shrunk(data, 10**6) == ""
    assert not mark.exists()


def test_one_pass_a_shard_and_reasons_for_the_rest(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", good_pairs(5))
    cut = tmp_path / "cut.tar"
    cut.write_bytes(tar.read_bytes()[:3000])
    made = thumbnails({str(tar): [1, 3, 9], str(cut): [0], "/gone.tar": [0], "vectors.npz": [0]}, 10**6)
    assert set(made.found) == {(str(tar), 1), (str(tar), 3)}
    assert made.gone[str(tar)] == "it has no pair 9 any more"
    assert made.gone[str(cut)].startswith("truncated")
    assert made.gone["/gone.tar"].startswith("missing")
    assert made.gone["vectors.npz"] == "it holds no images"
    first, second = (made.found[str(tar), ordinal] for ordinal in (1, 3))
    assert first.sha256 != second.sha256
