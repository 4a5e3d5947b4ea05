"""Looking at real processes from outside."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
OURS = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "STATE_DIR", "PORT", "UP_ENDS_WITH_PARENT")


def plain_environ(**more: str) -> dict[str, str]:
    """The environment of somebody who has set nothing of ours, and ``more``."""
    clean = {name: value for name, value in os.environ.items() if name not in OURS and "PYTEST" not in name}
    return clean | {"PYTHONPATH": str(ROOT)} | more


def eventually(condition: Callable[[], object], timeout_s: float = 90.0) -> float:
    """Wait until ``condition`` holds; answers how many seconds that took.

    The limit is for a hopelessly busy machine, not what we promise.
    """
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < timeout_s, f"not within {timeout_s} s"
        time.sleep(0.02)
    return time.monotonic() - started


def family(pid: int) -> list[psutil.Process]:
    """The process and all that it started."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def assert_all_gone(processes: list[psutil.Process], timeout_s: float = 60.0) -> None:
    _, alive = psutil.wait_procs(processes, timeout=timeout_s)
    left = [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    names = [process.cmdline() for process in left]
    for process in left:
        process.kill()
    assert names == []
