"""A data set whose clusters are known, for the parts that measure them."""

from pathlib import Path
from typing import Any

import pytest
from measured_topics import topics
from recorded_rows import write_set


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A root with a data set of six topics; and whose topic each pair is of."""
    root = tmp_path_factory.mktemp("world")
    image_ND, text_ND, topic_N = topics(300)
    write_set(root, "world", image_ND, text_ND)
    return root, topic_N
