"""The sandbox's merchant: made once, whole, readable for its owner only."""

import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings

from sandbox.keys import PLATFORM_KEY, private_key, sandbox_settings


def test_makes_a_merchant_whose_keys_belong_together_and_keeps_it_for_itself(tmp_path, settings):
    settings.STATE_DIR = tmp_path / "沙箱"
    folder = settings.STATE_DIR / "sandbox"
    first, second = sandbox_settings(folder), sandbox_settings(folder)

    assert first == second
    assert (len(first["WECHAT_PAY_API_KEY"]), len(first["WECHAT_PAY_V3_KEY"].encode())) == (32, 32)
    merchant_key = Path(first["WECHAT_PAY_PRIVATE_KEY_FILE"]).read_text()
    assert merchant_key.startswith("-----BEGIN PRIVATE KEY-----\n")  # PKCS#8, what wechatpayv3 takes
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}
    public = load_pem_public_key(Path(first["WECHAT_PAY_PUBLIC_KEY_FILE"]).read_bytes())
    assert private_key(PLATFORM_KEY).public_key() == public


def test_processes_that_start_at_once_share_one_merchant(tmp_path):
    code = "import pathlib, sys, sandbox.keys as k; print(k.sandbox_settings(pathlib.Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    runs = [subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = {run.communicate(timeout=20)[0] for run in runs}

    assert len(outputs) == 1 and "WECHAT_APP_ID" in outputs.pop()
    assert [path.name for path in tmp_path.iterdir()] == ["merchant-3"]
