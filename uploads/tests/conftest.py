from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def media_root(settings, tmp_path):
    """A media store of its own for each test: what is on disk afterwards is what the test left."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.STATE_DIR = tmp_path  # another test process, or a server in development, may decode a heavy picture
    yield Path(settings.MEDIA_ROOT)


@pytest.fixture
def on_disk(media_root):
    return lambda: sorted(path for path in media_root.rglob("*") if path.is_file())
