"""Whether the pictures of a recorded shard may be read for a page, and are still those that were embedded."""

from collections.abc import Mapping
from typing import Any

from tda.errors import LacunaError
from tda.store.shards.changed import Standing, standing
from tda.store.shards.origins import content_sha256, reachable, source_now


def withheld(root: str, source: Mapping[str, Any], *, network: bool) -> str:
    """Why the images of a recorded source are not read; "" where they are. A record could name any address: none is asked unasked."""
    path = str(source.get("path", ""))
    try:
        if not network and not reachable(root, path):
            return "it is on a network, which is not asked: report.network=true shows its images"
        now = source_now(path)
        found = standing(source, now, root)
        other = found is Standing.CHANGED
        if found is Standing.TOUCHED and source.get("sha256"):
            other = content_sha256(path) != source["sha256"]
    except (LacunaError, OSError, ValueError) as error:
        return " ".join(str(error).split())
    return "it has changed since it was embedded" if other else ""
