import os
from pathlib import Path

import pytest

from config.settings import base
from core.bootstrap import default_media_root
from devstack.engines import Engines
from devstack.process import StackError
from devstack.reset import main, reset
from devstack.supervisor import ROOT


@pytest.fixture
def home(tmp_path):
    return tmp_path / "我的 项目 (copy)" / ".dev"


def picture(folder):
    file = folder / "2026" / "11" / "8e8c2eda0a8340d043c71d02678033f2.png"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"a picture")
    return file


def make_reset(home, capsys, monkeypatch, **set_):
    monkeypatch.setenv("STATE_DIR", str(home))
    for name in ("DATABASE_URL", "REDIS_URL", "MEDIA_ROOT"):
        monkeypatch.setenv(name, set_.get(name, ""))
    assert main() == 0
    return capsys.readouterr().out


def test_forgets_the_pictures_with_the_rows_that_name_them(home, capsys, monkeypatch):
    file, other = picture(home / "media"), home / "media/2025"
    other.mkdir()
    (home / "media/.gitkeep").touch()
    (home / "postgres").mkdir()

    assert make_reset(home, capsys, monkeypatch) == "Forgotten: postgres, pictures.\n"
    assert not file.exists()
    assert not other.exists()
    assert (home / "media/.gitkeep").exists()


@pytest.mark.parametrize(
    ("has_own_engines", "variables"),
    [(True, {"DATABASE_URL": "postgresql://x@127.0.0.1/x"}), (False, {}), (True, {"MEDIA_ROOT": "media"})],
    ids=["database named in the environment", "database named elsewhere", "another folder"],
)
def test_leaves_pictures_whose_rows_stay(home, capsys, monkeypatch, has_own_engines, variables):
    file = picture(home / "media")
    monkeypatch.chdir(home)
    if has_own_engines:
        (home / "postgres").mkdir()

    output = make_reset(home, capsys, monkeypatch, **variables)

    assert file.exists()
    assert f"The pictures in {Path(variables.get('MEDIA_ROOT', home / 'media'))} stay." in output


def test_pictures_are_kept_where_reset_looks_for_them():
    assert (os.environ.get("MEDIA_ROOT") or str(default_media_root(base.STATE_DIR, ROOT))) == base.MEDIA_ROOT
    assert default_media_root(ROOT / ".dev", ROOT) == ROOT / "media"


def test_forgets_all_data_but_nothing_while_an_engine_runs(home):
    with Engines(home, missing=["REDIS_URL"]) as engines:
        with pytest.raises(StackError, match="It is already running here"):
            reset(home)

        assert (home / "valkey").is_dir()
        assert not engines.children["valkey"].has_ended()
    (home / "root-password").write_text("geheim")

    assert reset(home) == ["root-password", "valkey", "valkey.log"]
    assert not (home / "valkey").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make such a folder")
def test_after_a_start_as_root_by_mistake_the_person_can_start(home):
    home.mkdir(parents=True)
    os.chown(home.parent, 65534, 65534)
    (home / "up.lock").touch()

    reset(home)

    assert {path.stat().st_uid for path in (home, home / "up.lock", home / "engines.lock")} == {65534}
