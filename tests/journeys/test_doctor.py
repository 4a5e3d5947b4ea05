"""A deployer asks what is wrong: nothing at first, then one thing after another, each planted from outside."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.processes import ROOT, plain_environ, until


def ask(running, **changes):
    """Run the doctor on the installation; result its exit code and all that it says."""
    result = running.manage("doctor", **changes)
    return result.returncode, result.stdout


def production(running):
    """The variables of a production whose providers are the stand-ins of this installation."""
    sandbox = running.base + "/sandbox"
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "DJANGO_SECRET_KEY": "k" * 50,
        "ALLOWED_HOSTS": "api.example.com",
        "CORS_ALLOWED_ORIGINS": "https://app.example.com",
        "CSRF_TRUSTED_ORIGINS": "https://api.example.com",
        "PUBLIC_BASE_URL": "https://127.0.0.1:1",
        "WECHAT_API_BASE_URL": f"{sandbox}/wxapi",
        "WECHAT_PAY_BASE_URL": f"{sandbox}/wxpay",
        "WEATHER_BASE_URL": f"{sandbox}/tianqi",
        "WECHAT_PAY_MCH_ID": "1900000109",
    }


DEVELOPMENT_KEY = "development-only-key-that-production-refuses-to-start-with"
# What is planted: variables of the doctor's process, made from the installation's.
FAULTS = {
    "silent workers and no weather": lambda running, engines: {
        "REDIS_URL": engines["REDIS_URL"].partition("?")[0] + "?db=9",  # where no worker has left a heartbeat
        "WEATHER_BASE_URL": "http://127.0.0.1:1",
    },
    "no such user": lambda running, engines: {"DATABASE_URL": engines["DATABASE_URL"] + "&user=nobody"},
    "development's secret in production": lambda running, engines: (
        engines | production(running) | {"DJANGO_SECRET_KEY": DEVELOPMENT_KEY}
    ),
    "a careless production": lambda running, engines: engines | production(running),
}


@pytest.fixture(scope="module")
def findings(running):
    """What the doctor says to each fault."""
    engines = json.loads((running.state / "engines.json").read_text())
    with psycopg.connect(engines["DATABASE_URL"], autocommit=True) as database:
        database.execute(
            "INSERT INTO permissions_role (roleid, name, menu, rows, buttons, created_at, updated_at)"
            " VALUES ('deployer', '旧角色', '[]', '{/students/getstulst}', '{}', now(), now())"
        )
        with ThreadPoolExecutor(3) as pool:
            runs = {fault: pool.submit(ask, running, **plant(running, engines)) for fault, plant in FAULTS.items()}
        database.execute("DELETE FROM permissions_role WHERE roleid = 'deployer'")
    return {fault: answer.result() for fault, answer in runs.items()}


def test_a_healthy_installation_is_in_order(running):
    code, words = until(lambda: (answer := ask(running))[0] == 0 and answer, 20) or ask(running)

    assert code == 0, words
    assert "BAD" not in words
    assert words.endswith("一切正常。\n")


FINDINGS = {
    "silent workers and no weather": {
        **{
            f"BAD  队列 {queue}：worker 上一次的动静：从来没有": "`systemctl restart spms-beat`"
            for queue in ("money", "now", "bulk")
        },
        "BAD  角色 deployer 的 /students/getstulst 不起作用": "-> 改正或删除它",
        "BAD  WEATHER_BASE_URL 没有反应": "web 在运行吗（开发环境：`make up`）？",
    },
    "no such user": {"BAD  数据库（database）：connection": "DATABASE_URL 对吗？"},
    "development's secret in production": {"Error: DJANGO_SECRET_KEY is too weak.": "Use 50 random characters."},
    "a careless production": {
        "BAD  https://127.0.0.1:1 没有反应": "nginx 在运行吗？域名解析对吗？",
        "BAD  微信支付 v2：PaymentNotConfigured": "检查 WECHAT_APP_ID",
    },
}


@pytest.mark.parametrize("fault", FINDINGS)
def test_a_fault_is_named_with_what_to_do(findings, fault):
    code, words = findings[fault]

    assert code != 0
    assert "Traceback" not in words
    for finding, remedy in FINDINGS[fault].items():
        after = words.partition(finding)[2]
        assert after, words
        assert remedy in "".join(after.splitlines(keepends=True)[:2])
    if fault == "no such user":
        first, *rest = [line for line in words.splitlines() if line.startswith("BAD")]
        assert 'role "nobody" does not exist' in first  # not: no connection
        assert "migrations" not in words  # what could not be checked is not called in order
        assert "数据库" not in "".join(rest)
    if fault == "silent workers and no weather":
        assert words.count("BAD ") == 5 == len(FINDINGS[fault])
        assert "有 5 项要处理。" in words


FULL_DISK = """
mount -t tmpfs -o size=64k tmpfs "$STATE_DIR"
head -c 1M /dev/zero > "$STATE_DIR/filler" 2>/dev/null
exec "$@"
"""


BEAT = (
    "from celery.beat import Service; from config.celery import app; "
    "Service(app, scheduler_cls=app.conf.beat_scheduler).sync()"
)


@pytest.mark.parametrize("command", [("manage.py", "doctor", "--alert"), ("-c", BEAT)])
def test_a_full_disk_ends_no_command_and_is_named(running, tmp_path, command):
    engines = json.loads((running.state / "engines.json").read_text())
    environ = plain_environ(
        **engines, **production(running), STATE_DIR=str(tmp_path), ALERT_WEBHOOKS="http://127.0.0.1:1/x"
    )
    own_mounts = ["unshare", *([] if os.getuid() == 0 else ["--map-root-user"]), "--mount", "sh", "-c", FULL_DISK, "sh"]

    result = subprocess.run(
        [*own_mounts, sys.executable, *command], env=environ, cwd=ROOT, capture_output=True, text=True
    )

    assert result.returncode == int("doctor" in command), result.stderr
    assert f"BAD  {tmp_path} 所在的磁盘还剩 0 MB" in result.stdout or "doctor" not in command


PATHS = ("", "control/faults", "control/pay", "control/calls", "sms/messages/", "pay/x/", "wxpay/pay/unifiedorder")
KNOCK = f"from django.test import Client; print({{Client().get('/sandbox/' + path).status_code for path in {PATHS}}})"


def test_without_a_sandbox_its_pages_are_closed(running):
    result = running.manage("shell", "--no-imports", "-c", KNOCK, SANDBOX="0")

    assert result.stdout.strip().endswith("{404}"), result.stdout
