"""The lesson at a glance: what each trainee of a class has done, for the teacher, live and as CSV.

Logins, students and orders are asked from the tables, scans by the account that they log in. Calls and refusals are
counted in Valkey by a middleware, which is there only while the sandbox is on: for an hour of a lesson a table of all
calls would be too much.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from structlog.contextvars import get_contextvars

from accounts.models import User
from accounts.selectors import scan_logins, users_of_class
from accounts.tokens import token_holder
from core import times
from core.admin.exports import download
from core.api.request import token_of_head
from core.cache import valkey
from core.sheets.write import sheet_write
from core.times import local
from shop.selectors import orders_of_buyers
from shop.services.catalogue import catalogue_clear
from shop.states import EARNING, State
from students.practice import students_clear
from students.selectors import students_entered

KEPT = timedelta(hours=12)
COMMON = 3  # refusals that a row names
_KEY = "spms:lesson:"
HEAD = (
    *("姓名", "用户名", "上次登录", "最近一次调用", "调用", "被拒绝", "最常见的错误"),
    *("学员", "订单", "已付款", "已退款", "扫码"),
)


class LessonMiddleware:
    """Count the calls of each account, and why they were refused."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # A call that is refused before the login is checked, or for a token that has ended, is known by its token.
        if unid := get_contextvars().get("caller") or token_holder(token_of_head(request) or ""):
            _count(unid, _refusal(response))
        return response


def _refusal(response: Any) -> str:
    """Return the code and the text of a refusal; "" for a success."""
    body = getattr(response, "data", None)
    if isinstance(body, dict) and "state" in body:
        return "" if body["state"] else f"{body.get('code') or body.get('status')} {body.get('msg', '')}"[:60]
    return str(response.status_code) if response.status_code >= 400 else ""


def _count(unid: str, refusal: str) -> None:
    key = _KEY + unid
    lesson = valkey.client().pipeline(transaction=False)
    for field in ("calls", f"refusal {refusal}") if refusal else ("calls",):
        lesson.hincrby(key, field)
    lesson.hset(key, "at", int(times.now().timestamp()))
    lesson.expire(key, KEPT)
    with suppress(redis.RedisError):  # a count is missing, the call is answered
        lesson.execute()


def lesson_rows(class_name: str) -> list[tuple[User, list[Any]]]:
    """Return the accounts of a class in their order, each with what it has done, by ``HEAD``."""
    users = list(users_of_class(class_name))
    pks = [user.pk for user in users]
    entries, orders, scans = students_entered(pks), orders_of_buyers(pks), scan_logins(pks)
    rows = []
    for user, counts in zip(users, _counts([user.unid for user in users]), strict=True):
        states = orders.get(user.pk, {})
        refusals = {name[8:]: number for name, number in counts.items() if name.startswith("refusal ")}
        common = sorted(refusals.items(), key=lambda pair: -pair[1])[:COMMON]
        cells = [
            *(user.nickname, user.username, _moment(user.last_login)),
            _moment(datetime.fromtimestamp(counts["at"], UTC) if "at" in counts else None),
            *(counts.get("calls", 0), sum(refusals.values())),
            "；".join(f"{text}（{number}）" for text, number in common),
            entries.get(user.pk, 0),
            sum(states.values()),
            sum(states.get(state.value, 0) for state in EARNING),
            states.get(State.REFUNDED.value, 0),
            scans.get(user.pk, 0),
        ]
        rows.append((user, cells))
    return rows


def _counts(unids: list[str]) -> list[dict[str, int]]:
    lesson = valkey.client().pipeline(transaction=False)
    for unid in unids:
        lesson.hgetall(_KEY + unid)
    try:
        return [{name.decode(): int(number) for name, number in one.items()} for one in lesson.execute()]
    except redis.RedisError:
        return [{} for _ in unids]


def _moment(at: datetime | None) -> str:
    return f"{local(at):%m-%d %H:%M:%S}" if at else ""


def lesson_page(request: HttpRequest, class_name: str) -> HttpResponse:
    """Show the lesson of a class, send it as CSV, or clear what one trainee or the class has entered. For root."""
    if not request.user.is_superuser:
        raise PermissionDenied
    rows = lesson_rows(class_name)
    if not rows:
        raise Http404
    if request.method == "POST" and "clear" in request.POST:
        return _clear(request, class_name, [user for user, _ in rows])
    if request.GET.get("format") == "csv":
        name = f"{class_name}-{local(times.now()):%Y%m%d-%H%M}.csv"
        return download(name, sheet_write("csv", HEAD, [cells for _, cells in rows]))
    context = admin.site.each_context(request) | {"title": f"{class_name} 这节课", "rows": rows, "head": HEAD}
    return render(request, "lessons/lesson.html", context | {"class_name": class_name})


def _clear(request: HttpRequest, class_name: str, users: list[User]) -> HttpResponse:
    """Clear what ``clear`` names, after a page that asks: the key of a trainee, or "all"."""
    whom = request.POST["clear"]
    trainees = [user for user in users if whom in ("all", str(user.pk))]
    if not trainees:
        raise Http404
    if "sure" not in request.POST:
        who = f"{class_name} 全班" if whom == "all" else trainees[0].nickname
        text = "他们录入的学员将被删除，录入的商品和类目将下架，不能恢复；账号、订单和别人录入的数据不变。"
        context = admin.site.each_context(request) | {"title": f"清空 {who} 录入的数据", "text": text, "clear": whom}
        return render(request, "lessons/classroom_sure.html", context)
    now, pks = times.now(), [user.pk for user in trainees]
    students = students_clear(user_pks=pks, actor_pk=request.user.pk, now=now)
    messages.success(request, f"已删除 {students} 名学员，下架 {catalogue_clear(user_pks=pks, now=now)} 个商品和类目")
    return HttpResponseRedirect(request.path)
