"""The checks of ``manage.py doctor``: what is right or wrong about a deployment, and what to do."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from threading import Thread
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.core.checks import WARNING, run_checks
from django.db import connection

from accounts.doctor import scan_login, text_messages
from core import times
from core.cache import valkey
from core.findings import Finding
from moving.rebase import addresses_of_pictures
from operations import health, servers
from payments import doctor as payments
from permissions.doctor import roles_and_calls
from uploads.doctor import room_for_pictures

RENEW_WITHIN_DAYS = 25  # certbot renews 30 days before the end: with 25 days left it has failed many times
ANSWER_WITHIN_S = 20.0  # all checks together; the one of the upstreams waits for three of them
UPSTREAM_WITHIN_S = 4


Check = Callable[[], Iterator[Finding]]


def examine() -> Iterator[Finding]:
    """Run every check, all at the same time; a check that raises an exception, or hangs, is reported as a finding."""
    results: dict[str, list[Finding]] = {}

    def run(name: str, check: Check) -> None:
        findings: list[Finding] = []
        try:
            findings += check()
        except Exception as error:
            findings.append(Finding(False, f"{name}: {type(error).__name__}: {error}", "See above."))
        finally:
            connection.close()
        results[name] = findings

    ends_at = time.monotonic() + ANSWER_WITHIN_S
    # Daemons, because one that hangs must not keep the command from ending.
    names = [check.__name__.replace("_", " ") for check in CHECKS]
    threads = [Thread(target=run, args=pair, daemon=True) for pair in zip(names, CHECKS, strict=True)]
    for thread in threads:
        thread.start()
    for name, thread in zip(names, threads, strict=True):
        thread.join(max(0, ends_at - time.monotonic()))
        hangs = Finding(False, f"{name}: no answer within {ANSWER_WITHIN_S:g} s", "Does a server hang?")
        yield from results.get(name, [hangs])


def settings_and_models() -> Iterator[Finding]:
    serious = [message for message in run_checks() if message.level >= WARNING and not message.is_silenced()]
    for message in serious:
        yield Finding(False, f"{message.id}: {message.msg}", message.hint or "")
    if not serious:
        yield Finding(True, "Settings and models are consistent")
    if not settings.PRODUCTION:
        yield Finding(None, "Development settings", "Production: DJANGO_SETTINGS_MODULE=config.settings.production")


def engines() -> Iterator[Finding]:
    remedies = {
        "database": "Is PostgreSQL running, is DATABASE_URL right?",
        "valkey": "Is Valkey/Redis running, is REDIS_URL right?",
        "migrations": "Run `python manage.py migrate`.",
    }
    failures = health.failures()
    for name, remedy in remedies.items():
        if name == "migrations" and "database" in failures:
            continue  # without the database they cannot be read
        yield Finding(name not in failures, f"{name}: {failures.get(name, 'in order')}", remedy)


def pooler() -> Iterator[Finding]:
    """Compare DB_POOLER with the connection, and check the limits that a pooler cannot pass on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        # On connecting, a pooler reports a made-up process number: which server process will work is not known yet.
        is_there = cursor.fetchone()[0] != connection.connection.info.backend_pid
        limits = {}
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SHOW {name}")
            limits[name] = cursor.fetchone()[0]
    if is_there and settings.DB_POOLER == "none":
        yield Finding(False, "A pooler stands before PostgreSQL", "Set DB_POOLER=transaction (docs/database.md).")
    if settings.DB_POOLER == "none":
        return
    if not settings.DATABASE_DIRECT:
        yield Finding(None, "DATABASE_DIRECT_URL is not set", "Without it `backup` cannot pass the pooler.")
    for name, limit in limits.items():
        remedy = f"ALTER ROLE ... SET {name} (docs/database.md)."
        yield Finding(limit != "0", f"{name} of the database's role is {limit}", remedy)


def metrics_token() -> Iterator[Finding]:
    if settings.PRODUCTION and not settings.METRICS_TOKEN:
        yield Finding(None, "METRICS_TOKEN is not set: /metrics is closed", "Set it to let Prometheus in.")


def clocks() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        yield _clock("PostgreSQL", float(cursor.fetchone()[0]))
    seconds, microseconds = valkey.client().time()
    yield _clock("Valkey", seconds + microseconds / 1e6)


def _clock(name: str, theirs_s: float) -> Finding:
    skew = abs(time.time() - theirs_s)
    remedy = "Set up NTP. While PostgreSQL's clock differs, this machine closes no orders and deletes nothing old."
    return Finding(skew < times.MAX_SKEW_S, f"Clock of {name} differs by {skew:.0f} s", remedy)


def certificate() -> Iterator[Finding]:
    """Check how long our TLS certificate is valid: clients and WeChat refuse an expired one."""
    ours = urlsplit(settings.PUBLIC_BASE_URL)
    if ours.scheme != "https":
        return
    host = ours.hostname or ""
    try:
        with (
            socket.create_connection((host, ours.port or 443), timeout=UPSTREAM_WITHIN_S) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure,
        ):
            certificate = secure.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        yield Finding(False, f"The certificate of {host} is refused: {error.verify_message}", "Renew it with certbot.")
    except OSError as error:
        why = f"{type(error).__name__}: {error}"
        yield Finding(False, f"{settings.PUBLIC_BASE_URL} does not answer ({why})", "Is nginx running, is DNS right?")
    else:
        days = (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / 86400
        remedy = "Renew it: `certbot renew`, then reload nginx."
        yield Finding(days > RENEW_WITHIN_DAYS, f"The certificate of {host} ends in {days:.0f} days", remedy)


def upstreams() -> Iterator[Finding]:
    for name in ("WECHAT_API_BASE_URL", "WECHAT_PAY_BASE_URL", "WEATHER_BASE_URL"):
        address = getattr(settings, name)
        try:
            response = requests.get(address, timeout=UPSTREAM_WITHIN_S, allow_redirects=False)
        except requests.RequestException as error:
            remedy = "Does `make up` run?" if settings.SANDBOX else "Check network, proxy and firewall."
            yield Finding(False, f"{name} does not answer: {type(error).__name__}", remedy)
            continue
        yield Finding(True, f"{name} answers")
        try:
            yield _clock(name, parsedate_to_datetime(response.headers["Date"]).timestamp())
        except (KeyError, ValueError):
            pass  # the response has no usable Date


CHECKS: tuple[Check, ...] = (
    *(settings_and_models, engines, pooler, metrics_token, clocks, certificate, upstreams),
    *servers.CHECKS,
    *(roles_and_calls, scan_login, text_messages, room_for_pictures, addresses_of_pictures),
    *payments.CHECKS,
)
