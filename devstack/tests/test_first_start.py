"""What stops the first start is one sentence: a Python that is too old, or no network."""

import errno
import os
import shutil
import subprocess
import sys

import pytest

from devstack.engines import programs_for
from devstack.process import StackError, complaint
from devstack.supervisor import check_port_free, in_words, port_number
from tests.processes import ROOT, plain_environ


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "8e3", "８０００"])
def test_a_port_that_is_none_is_named(text):
    with pytest.raises(StackError, match="PORT has a bad value"):
        port_number(text)


@pytest.mark.parametrize("host", ["203.0.113.9", "no-such-name.invalid", "a" * 70])
def test_an_address_of_another_machine_is_named(host):
    with pytest.raises(StackError, match=f"BIND has a bad value .'{host}'"):
        check_port_free(host, 8000)


def test_programs_that_may_not_run_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr("devstack.engines.wheel", lambda name: tmp_path)
    initdb = tmp_path / "pginstall/bin/initdb"
    initdb.parent.mkdir(parents=True)
    initdb.touch(0o644)

    with pytest.raises(StackError, match=f"^{initdb} cannot be run.*noexec"):
        programs_for(None, tmp_path)


@pytest.mark.parametrize(
    "end", ["No space left on device", "wrote only 4096 of 8192 bytes\nHINT:  Check free disk space."]
)
def test_a_full_disk_is_said_whichever_way_postgresql_notices(end):
    assert complaint(f'initdb: x\nFATAL:  could not extend file "base/1": {end}'.splitlines()) == "the disk is full."


def test_a_disk_without_writes_is_named():
    error = OSError(errno.EROFS, os.strerror(errno.EROFS), "/mnt/.dev")

    assert in_words(error) == "/mnt/.dev is on a disk that takes no writes: set STATE_DIR to a folder on another one."


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_names_the_version_it_needs_and_makes_nothing(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").touch()
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.6" && exit 0\nexit 1\n')
    old.chmod(0o755)

    result = subprocess.run(
        ["make", "up", f"PYTHON={old}"], cwd=tmp_path, env=plain_environ(), capture_output=True, text=True
    )

    assert result.returncode != 0
    assert result.stderr.splitlines()[0].startswith("Error: Python 3.11 or newer is needed; found: Python 3.9.6.")
    assert not (tmp_path / ".venv").exists()


def test_manage_names_the_version_it_needs():
    script = (
        "import runpy, sys\n"
        "sys.version_info = (3, 9, 6, 'final', 0)\n"
        "sys.argv = ['manage.py', 'up']\n"
        "runpy.run_path('manage.py', run_name='__main__')"
    )

    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=plain_environ(), capture_output=True, text=True)

    assert (run.returncode, run.stderr) == (1, "Python 3.11 or newer is needed, this is Python 3.9.\n")


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_says_what_to_do_without_a_network(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").write_text("a2wsgi==1.10.10 --hash=sha256:" + "0" * 64)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)  # to make one takes 8 s
    environ = plain_environ(PIP_NO_INDEX="1", PIP_FIND_LINKS="")

    result = subprocess.run(["make", "install"], cwd=tmp_path, env=environ, capture_output=True, text=True)

    assert result.returncode != 0
    assert "Error: pip could not fetch the packages; why stands above." in result.stderr
    assert "PIP_INDEX_URL=https://MIRROR/simple make install" in result.stderr
    assert not (tmp_path / ".venv/ready").exists()
