"""The sandbox's merchant: made once, whole, for one's own eyes only."""

import subprocess
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.conf import settings

from sandbox.keys import provider_files, sandbox_settings

NAMES = {
    "WECHAT_APP_ID",
    "WECHAT_APP_SECRET",
    "WECHAT_PAY_MCH_ID",
    "WECHAT_PAY_API_KEY",
    "WECHAT_PAY_V3_KEY",
    "WECHAT_PAY_CERT_SERIAL",
    "WECHAT_PAY_PRIVATE_KEY_FILE",
    "WECHAT_PAY_PUBLIC_KEY_ID",
    "WECHAT_PAY_PUBLIC_KEY_FILE",
    "WECHAT_PAY_CERT_DIR",
    "SMS_ACCESS_KEY_ID",
    "SMS_ACCESS_KEY_SECRET",
    "SMS_SIGN_NAME",
    "SMS_TEMPLATE_CODE",
    "SMS_NOTICE_TEMPLATE_CODE",
    "WEATHER_APP_ID",
    "WEATHER_APP_SECRET",
}


def test_makes_a_merchant_and_keeps_it(tmp_path: Path) -> None:
    first = sandbox_settings(tmp_path / "new folder" / "沙箱")
    second = sandbox_settings(tmp_path / "new folder" / "沙箱")

    assert first == second
    assert set(first) == NAMES
    assert (len(first["WECHAT_PAY_API_KEY"]), len(first["WECHAT_PAY_V3_KEY"].encode())) == (32, 32)
    assert first["WECHAT_PAY_PUBLIC_KEY_ID"].startswith("PUB_KEY_ID_")


def test_the_keys_belong_together(tmp_path: Path) -> None:
    values, own = sandbox_settings(tmp_path), provider_files(tmp_path)

    merchant_key = Path(values["WECHAT_PAY_PRIVATE_KEY_FILE"]).read_text()
    assert merchant_key.startswith("-----BEGIN PRIVATE KEY-----\n")  # PKCS#8, what wechatpayv3 takes
    public = load_pem_public_key(Path(values["WECHAT_PAY_PUBLIC_KEY_FILE"]).read_bytes())
    assert load_pem_private_key(own["public_key_mode_key"].encode(), None).public_key() == public
    (file,) = Path(values["WECHAT_PAY_CERT_DIR"]).iterdir()
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    assert file.name == f"{certificate.serial_number:X}.pem" == f"{own['certificate_serial']}.pem"
    assert load_pem_private_key(own["certificate_key"].encode(), None).public_key() == certificate.public_key()


def test_nobody_else_may_read_them(tmp_path: Path) -> None:
    sandbox_settings(tmp_path / "sandbox")

    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "sandbox").rglob("*")}
    assert modes == {0}


def test_processes_that_start_at_once_share_one_merchant(tmp_path: Path) -> None:
    code = "import pathlib, sys, sandbox.keys as k; print(k.sandbox_settings(pathlib.Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    runs = [subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {run.communicate(timeout=20)[0] for run in runs}

    assert len(said) == 1 and "WECHAT_APP_ID" in said.pop()
    assert [path.name for path in tmp_path.iterdir()] == ["merchant-2"]
