"""The checks of ``manage.py doctor``: what is right or wrong about a deployment, and what to do."""

import ctypes
import secrets
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.core.checks import WARNING, run_checks
from django.db import connection

from accounts.doctor import scan_login, text_messages
from core import times
from core.api.envelope import engine_is_down
from core.cache import valkey
from core.db.connections import connection_refusal
from core.findings import Finding
from operations import health, servers
from operations.units import NAME, ROOT
from payments import doctor as payments
from permissions.doctor import roles_and_calls
from uploads.doctor import room_for_pictures, store_of_pictures
from weather.selectors import account_exists

RENEW_WITHIN_DAYS = 25  # certbot renews 30 days before the end: with 25 days left it has failed many times
ANSWER_WITHIN_S = 20.0  # all checks together; a name server that is dead holds one for 10 s
UPSTREAM_WITHIN_S = 4
UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
Check = Callable[[], Iterator[Finding]]
NOT_ASKED = Finding("not asked", None, "有的检查没有做完：数据库或 Valkey 没有答复")


def examine() -> Iterator[Finding]:
    """Run every check, all at the same time; a check that raises an exception, or hangs, is reported as a finding.

    A check that fails because an engine is down says nothing: the finding about the engine does.
    """
    results: dict[Check, list[Finding]] = {}
    # Daemons, because one that hangs must not keep the command from ending.
    threads = {check: Thread(target=_run, args=(check, results), daemon=True) for check in CHECKS}
    for thread in threads.values():
        thread.start()
    ends_at = time.monotonic() + ANSWER_WITHIN_S
    for check, thread in threads.items():
        thread.join(max(0, ends_at - time.monotonic()))
        what = f"检查 {_name(check)}：{ANSWER_WITHIN_S:g} 秒内没有结果"
        late = Finding(f"check {_name(check)}", False, what, "是不是有服务器没有反应？")
        yield from (finding for finding in results.get(check, [late]) if finding is not NOT_ASKED)
    if any(NOT_ASKED in findings for findings in results.values()):
        yield NOT_ASKED


def _run(check: Check, results: dict[Check, list[Finding]]) -> None:
    findings: list[Finding] = []
    try:
        findings += check()
    except Exception as error:
        what = f"检查 {_name(check)} 出错：{type(error).__name__}: {error}"
        is_down = engine_is_down(error) or engine_is_down(error.__cause__)  # Celery wraps what Valkey raises
        findings.append(NOT_ASKED if is_down else Finding(f"check {_name(check)}", False, what))
    finally:
        connection.close()
    results[check] = findings


def _name(check: Check) -> str:
    return check.__name__.replace("_", " ")


def settings_and_models() -> Iterator[Finding]:
    serious = [message for message in run_checks() if message.level >= WARNING and not message.is_silenced()]
    for message in serious:
        yield Finding(f"settings {message.id}", False, f"{message.id}: {message.msg}", message.hint or "")
    if not serious:
        yield Finding("settings", True, "设置和数据模型没有问题")
    if not settings.DEPLOYED:
        do = "生产环境要设 DJANGO_SETTINGS_MODULE=config.settings.production"
        yield Finding("development", None, "现在是开发环境的设置", do)
    if settings.PRACTICE:
        yield Finding("practice", True, "这是练习服务器：微信、短信和天气都是替身，不会真的扣款")


def engines() -> Iterator[Finding]:
    remedies = {
        "database": ("数据库", "PostgreSQL 在运行吗？DATABASE_URL 对吗？"),
        "valkey": (
            "Valkey",
            "Valkey（Redis）在运行吗？REDIS_URL 对吗？内存满了就调大 maxmemory；只读的是副本。",
        ),
        "migrations": ("数据表", f"运行 `{_manage('migrate')}`。"),
    }
    failures = health.failures()
    if "database" in failures:
        failures["database"] = connection_refusal() or failures["database"]
    for name, (title, remedy) in remedies.items():
        if name == "migrations" and "database" in failures:
            continue  # without the database they cannot be read
        yield Finding(name, name not in failures, f"{title}（{name}）：{failures.get(name, '正常')}", remedy)


def _manage(command: str) -> str:
    """Return a command of ours as it can be pasted, where deploy/install has put us; else as at a desk."""
    if not (file := Path(f"/etc/spms/{NAME}.env")).exists():
        return f"python manage.py {command}"
    return f"cd {ROOT}; set -a; . {file}; set +a; sudo -E -u {NAME} .venv/bin/python manage.py {command}"


def clocks() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        yield _clock("PostgreSQL", float(cursor.fetchone()[0]))
    seconds, microseconds = valkey.client().time()
    yield _clock("Valkey", seconds + microseconds / 1e6)
    # As `timedatectl` asks. Where all is on one machine, all have its wrong clock.
    if settings.DEPLOYED and ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(256)) == UNSYNCHRONISED:
        yield Finding("clock kept", None, "没有程序在校准这台机器的时钟（NTP）", "timedatectl set-ntp true")


def _clock(name: str, theirs_s: float) -> Finding:
    skew = abs(time.time() - theirs_s)
    do = "配好校时（NTP）。与 PostgreSQL 的时钟不一致时，这台机器不关闭订单，也不删除旧数据。"
    return Finding(f"clock {name}", skew < times.MAX_SKEW_S, f"本机与 {name} 的时钟相差 {skew:.0f} 秒", do)


def own_address() -> Iterator[Finding]:
    """Ask ourselves as a client does: how long our certificate is valid, and which proxies stand before us.

    Clients and WeChat refuse a certificate that has expired. deploy/nginx.conf and haproxy.cfg, which give each request
    an id of their own, end bodies that come slowly, and drop headers that a client must not send. Granian does neither.
    """
    ours, sent_id = urlsplit(settings.PUBLIC_BASE_URL), f"doctor-{secrets.token_hex(8)}"
    is_https = ours.scheme == "https"
    if not (is_https or settings.DEPLOYED):
        return
    client: Any = (HTTPSConnection if is_https else HTTPConnection)(ours.netloc, timeout=UPSTREAM_WITHIN_S)
    try:
        client.connect()
        ends_at = ssl.cert_time_to_seconds(client.sock.getpeercert()["notAfter"]) if is_https else None
        client.request("GET", "/health/live", headers={"X-Request-Id": sent_id})
        headers = client.getresponse().headers
    except ssl.SSLCertVerificationError as error:
        what = f"{ours.hostname} 的证书不被接受：{error.verify_message}"
        do = "`certbot renew --force-renewal`；自己的机构签的：换上新的，`systemctl reload nginx`。"
        yield Finding("certificate", False, what, do)
        return
    except (OSError, HTTPException) as error:
        what = f"{settings.PUBLIC_BASE_URL} 没有反应（{type(error).__name__}: {error}）"
        yield Finding("own address", False, what, "nginx 在运行吗？域名解析对吗？")
        return
    finally:
        client.close()
    if ends_at:
        days = (ends_at - time.time()) / 86400
        do = "续期：`certbot renew`，再重新加载 nginx。"
        yield Finding("certificate", days > RENEW_WITHIN_DAYS, f"{ours.hostname} 的证书还有 {days:.0f} 天到期", do)
    if settings.DEPLOYED:
        yield from _proxies(headers, sent_id)


def _proxies(headers: Any, sent_id: str) -> Iterator[Finding]:
    has_proxy = headers["X-Request-Id"] != sent_id
    what = f"deploy/nginx.conf（或 haproxy.cfg）{'' if has_proxy else '没有'}在网页进程前面"
    do = "装上它（docs/going-live.md）：没有它，几十个慢慢发内容的连接就占住所有线程。"
    yield Finding("proxy", has_proxy, what, do)
    if number := headers["X-Proxies"]:
        what = f"请求经过 {number} 层代理，TRUSTED_PROXIES 是 {settings.TRUSTED_PROXIES}"
        do = "把 TRUSTED_PROXIES 设为代理的层数：少了，限制和日志看到的是代理的地址；多了，客户端可以自己写地址。"
        yield Finding("proxies", number == str(settings.TRUSTED_PROXIES), what, do)


def upstreams() -> Iterator[Finding]:
    uses = {  # a school without internet or without WeChat has no use for an alarm about them
        "WECHAT_API_BASE_URL": settings.WECHAT_APP_ID and settings.WECHAT_APP_SECRET,
        "WECHAT_PAY_BASE_URL": payments.is_used(),
        "WEATHER_BASE_URL": account_exists(),
    }
    with ThreadPoolExecutor(len(uses)) as pool:  # a dead DNS holds each of them for 10 s
        for findings in pool.map(_upstream, (name for name, is_used in uses.items() if is_used)):
            yield from findings


def _upstream(name: str) -> list[Finding]:
    address = getattr(settings, name)
    try:
        response = requests.get(address, timeout=UPSTREAM_WITHIN_S, allow_redirects=False)
    except requests.RequestException as error:
        do = f"`getent hosts {urlsplit(address).hostname}` 没有结果就是 DNS；再检查网络、代理和防火墙。"
        do = "web 在运行吗（开发环境：`make up`）？" if settings.SANDBOX else do
        why = type(getattr(error.args[0] if error.args else error, "reason", error)).__name__
        return [Finding(name, False, f"{name} 没有反应：{why}", do)]
    findings = [Finding(name, True, f"{name} 有反应")]
    with suppress(KeyError, ValueError):  # the response has no usable Date
        findings.append(_clock(name, parsedate_to_datetime(response.headers["Date"]).timestamp()))
    return findings


CHECKS: tuple[Check, ...] = (
    *(engines, settings_and_models, clocks, own_address, upstreams),
    *servers.CHECKS,
    *(roles_and_calls, scan_login, text_messages, store_of_pictures, room_for_pictures),
    *payments.CHECKS,
)
