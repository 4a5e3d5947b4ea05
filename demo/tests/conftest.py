"""The sandbox's server, because the demo's bills are compared with its books."""

from types import SimpleNamespace

import pytest

from sandbox.tests.conftest import _server, keys, server  # noqa: F401


@pytest.fixture
def no_pictures(monkeypatch):
    """Decode no pictures of the demo's products, which takes a third of its time."""
    monkeypatch.setattr("demo.products.image_store", lambda **_: SimpleNamespace(url_path="/media/p.png"))
