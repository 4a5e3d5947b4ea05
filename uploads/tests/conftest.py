from pathlib import Path

import pytest

from tests.kit import encoded
from uploads.limits import CleanImage


@pytest.fixture(autouse=True)
def media_root(settings, tmp_path):
    """A media store of its own for each test: what is on disk afterwards is what the test left."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.STATE_DIR = tmp_path  # another test process, or a server in development, may decode a heavy picture
    yield Path(settings.MEDIA_ROOT)


@pytest.fixture
def undecoded(monkeypatch):
    """Store a picture of ours for each: what becomes of it is not the test's business, and a decoder takes 0.2 s."""
    clean = CleanImage(encoded(), "png", 40, 30)
    monkeypatch.setattr("uploads.services.image_decode", lambda *_, **__: clean)


@pytest.fixture
def on_disk(media_root):
    return lambda: sorted(path for path in media_root.rglob("*") if path.is_file())
