import pytest


@pytest.fixture
def home(tmp_path):
    """A state directory as people have them; as root it lies below one that the engines' account may not enter."""
    return tmp_path / "我的 项目 (copy)" / ".dev"
