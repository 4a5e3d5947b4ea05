"""A checkout works on Windows, where it is built into a container or used from WSL."""

import re
import subprocess

from tests.processes import ROOT

NOT_ON_WINDOWS = re.compile(r'[<>:"|?*\\]|[ .](/|$)|(^|/)(aux|con|nul|prn|com\d|lpt\d)(\.|/|$)', re.IGNORECASE)
LONGEST = 120  # a path may have 260 characters with the folders above it


def git(*words, folder=ROOT):
    return subprocess.check_output(["git", *words], cwd=folder, text=True)


def test_what_is_committed_has_unix_line_endings_whatever_git_is_told(tmp_path):
    folder = tmp_path / "我的 项目"
    git("-c", "core.autocrlf=true", "clone", "-q", "--shared", str(ROOT), str(folder))

    endings = git("ls-files", "--eol", folder=folder).splitlines()
    assert not [line for line in endings if "w/crlf" in line or "w/mixed" in line]
    assert len(endings) > 500


def test_every_path_is_possible_on_windows():
    entries = [line.split("\t") for line in git("ls-files", "-s", "-z").split("\0") if line]
    paths = [path for _, path in entries]

    assert not [path for mode, path in entries if mode.startswith("120000")], "Windows makes text files of links"
    assert not [path for path in paths if NOT_ON_WINDOWS.search(path) or len(path) > LONGEST]
    assert len({path.lower() for path in paths}) == len(paths), "only the case differs"
