"""A whole stack whose processes are killed while people order and pay; ``CHAOS_ORDERS=500`` makes it a long one."""

import json
import os
import subprocess
import sys

from tests.processes import ROOT

ORDERS = os.environ.get("CHAOS_ORDERS")


def test_no_piece_and_no_fen_is_lost_when_processes_are_killed():
    argv = [sys.executable, "-m", "benchmarks.chaos"]
    argv += ["--orders", ORDERS] if ORDERS else ["--orders", "16", "--each-once"]

    result = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=280)

    assert result.returncode == 0, result.stdout + result.stderr
    figures = json.loads(result.stdout)
    assert figures["wrong"] == [] and figures["orders"]
    assert set(figures["killed"]) == {"web", "worker", "beat", "valkey", "postgres"}
