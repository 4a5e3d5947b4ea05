"""Tell people what the doctor finds wrong, by mail and by the robots of chat programs: once, and again after a day."""

import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import DatabaseError
from django.db.models import Q
from django.db.models.functions import Least

from core.findings import Finding
from core.models import Alert
from operations.units import ROOT

log = structlog.get_logger("operations")
LASTS = timedelta(minutes=3)  # what is found again after this is no hiccup
AGAIN = timedelta(days=1)
GONE = timedelta(hours=1)  # what comes and goes is told once
MAX_LINE_LENGTH, MAX_MESSAGE_BYTES = 160, 2048  # characters; bytes, because a robot of WeCom refuses more
WITHIN_S = 10


class AlertNotSent(Exception):
    """A receiver refused the message or did not answer; its address is not named, because it holds the key."""


def is_on() -> bool:
    return bool(settings.ALERT_MAIL_TO or settings.ALERT_WEBHOOKS)


def alerts_send(findings: Iterable[Finding], *, now: datetime) -> int:
    """Tell what is wrong and was not told yet, and what is over; return how many lines were sent.

    A finding is told when a later call finds it again, after a day if it is still there, and when its number rises.
    """
    bad = [finding for finding in findings if finding.ok is False]
    try:
        news = [finding for finding in bad if _claim(finding, now)]
        over = list(Alert.objects.filter(seen_at__lte=now - GONE))
        Alert.objects.filter(pk__in=[alert.pk for alert in over]).delete()
    except DatabaseError:
        news, over = _due_without_database(bad), []
    lines = [
        finding.what[:MAX_LINE_LENGTH] + (f"\n{settings.PUBLIC_BASE_URL}{finding.link}" if finding.link else "")
        for finding in news
    ] + [f"已恢复：{alert.text}" for alert in over if alert.told_at]
    if lines and not message_send(_message(lines)):
        Alert.objects.filter(told_at=now).update(told_at=None)
    return len(lines)


def _claim(finding: Finding, now: datetime) -> bool:
    """Note that a finding was seen; return whether this call must tell it: of several at once, one."""
    key, fields = finding.key[:200], {"text": finding.what[:500], "seen_at": now}
    Alert.objects.get_or_create(key=key, defaults={**fields, "since": now})
    mine = Alert.objects.filter(key=key)
    mine.update(**fields, number=Least("number", finding.number))
    untold = Q(told_at=None) | Q(told_at__lte=now - AGAIN) | Q(number__lt=finding.number)
    return bool(mine.filter(untold, since__lte=now - LASTS).update(told_at=now, number=finding.number))


def _due_without_database(bad: list[Finding]) -> list[Finding]:
    # Where the database is what is wrong, it cannot remember what was told.
    mark = Path(settings.STATE_DIR) / "alerts-without-database"
    if mark.exists() and time.time() - mark.stat().st_mtime < AGAIN.total_seconds():
        return []
    with suppress(OSError):  # with a full disk, too, it is told, if more than once
        mark.touch()
    return bad


def _message(lines: list[str]) -> str:
    """Return a message of as many lines as a robot takes, and of at least one."""
    head = f"【{settings.SCHOOL_NAME}】提醒"
    end = f"{socket.gethostname()}：在 {ROOT} 里运行 manage.py doctor 看全部和办法"
    for number in range(len(lines), 0, -1):
        rest = [f"……另有 {len(lines) - number} 项"] if number < len(lines) else []
        text = "\n".join([head, *(f"· {line}" for line in lines[:number]), *rest, end])
        if len(text.encode()) <= MAX_MESSAGE_BYTES:
            break
    return text


def message_send(text: str) -> int:
    """Send a text to every receiver; return how many took it."""
    number = 0
    for receiver in [*settings.ALERT_WEBHOOKS, *settings.ALERT_MAIL_TO]:
        try:
            if receiver in settings.ALERT_WEBHOOKS:
                _post(receiver, text)
            else:
                send_mail(text.splitlines()[0], text, settings.DEFAULT_FROM_EMAIL, [receiver])
            number += 1
        except Exception as error:  # one receiver that fails must not keep the others from hearing of it
            reason = str(error) if isinstance(error, AlertNotSent) else type(error).__name__
            log.error("alert not sent", to=urlsplit(receiver).hostname or receiver, reason=reason)
    return number


def _post(address: str, text: str) -> None:
    """Send to the robot of a chat program: WeCom, DingTalk or Feishu by the path of its address, else ``{"text": …}``.

    :raises AlertNotSent: it answered that it did not take the message.
    """
    path = urlsplit(address).path
    if path.startswith("/open-apis/bot/"):
        body: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
    elif path in ("/cgi-bin/webhook/send", "/robot/send"):
        body = {"msgtype": "text", "text": {"content": text}}
    else:
        body = {"text": text}

    response = requests.post(address, json=body, timeout=WITHIN_S, allow_redirects=False)
    if response.status_code != 200:
        raise AlertNotSent(f"HTTP {response.status_code}")
    try:
        reply = response.json()
    except ValueError:
        return  # a receiver that the school wrote may answer anything
    if isinstance(reply, dict) and (code := reply.get("errcode") or reply.get("code")):
        raise AlertNotSent(f"{code} {str(reply.get('errmsg') or reply.get('msg'))[:100]}")
