"""What tests of stores behind a proxy have in common."""

from collections.abc import Iterator

import pytest
from faulty_proxy import Proxy

from tda.store.remote import retry


@pytest.fixture
def calm(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Waits are short, and no fault outlives its test; `proxy` is the file's own."""
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    yield
    proxy.faults.clear()
