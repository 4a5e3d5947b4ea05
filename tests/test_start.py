"""How a process of ours starts: quickly, and with no more than all of them need."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOOK = """
import gc, json, sys
collections = []
gc.callbacks.append(lambda phase, _: phase == "start" and collections.append(phase))
import config.asgi, config.urls
print(json.dumps([sorted(sys.modules), len(collections), gc.isenabled(), gc.get_freeze_count()]))
"""


def test_loads_nothing_that_few_processes_use_and_collects_no_garbage_meanwhile(tmp_path):
    environ = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.local", "STATE_DIR": str(tmp_path)}

    result = subprocess.run([sys.executable, "-c", LOOK], cwd=ROOT, env=environ, capture_output=True, check=True)
    modules, collections, is_enabled, frozen = json.loads(result.stdout)

    assert {"openpyxl", "markdown_it", "alibabacloud_dysmsapi20170525"}.isdisjoint(modules)
    assert "shop.admin.order" in modules
    assert collections < 100 and is_enabled
    assert frozen > 100_000
