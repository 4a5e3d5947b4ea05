from pathlib import Path

import pytest

from core.devstack.engines import Engines
from core.devstack.errors import StackError
from core.devstack.reset import reset


def test_forgets_all_data(home: Path) -> None:
    with Engines(home, wanted=["REDIS_URL"]):
        pass
    (home / "root-password").write_text("geheim")

    assert reset(home) == ["root-password", "valkey", "valkey.log"]
    assert not (home / "valkey").exists()


def test_refuses_while_an_engine_runs_and_removes_nothing(home: Path) -> None:
    with Engines(home, wanted=["REDIS_URL"]) as engines:
        with pytest.raises(StackError, match="It is running"):
            reset(home)

        assert (home / "valkey").is_dir()
        assert engines.engines[0].is_ready()
