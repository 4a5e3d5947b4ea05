"""What a lesson sees as JSON, below /sandbox/control/: an account its own, teachers and root those of others.

The form of the answers is in docs/sandbox.md; with ``class_name`` each row says in ``unid`` whose it is.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from core import times
from lessons.calls import Call
from lessons.progress import checkpoint_rows, plan_of, plan_read, plan_set, progress_of
from lessons.signs import signs_of
from lessons.stream import KEPT, calls_of
from lessons.teachers import may_teach, trainees_of
from sandbox.callers import caller_of
from sandbox.control.api import LOGIN, control_endpoint

Rows = list[dict[str, Any]]
MAX_CLASS_ROWS = 3_000


class Refused(Exception):
    """The answer to a request that is refused: a text and an HTTP status."""


def _people(request: HttpRequest, names: Any) -> list[User]:
    """Return whose calls are asked for: the caller, the account ``unid``, or the accounts of ``class_name``.

    :raises Refused: nobody is logged in, or the caller teaches no such class.
    """
    me = _caller(request)
    unid, class_name = (str(names.get(name) or "").replace("\x00", "") for name in ("unid", "class_name"))
    if not class_name and unid in ("", me.unid):
        return [me]
    if not may_teach(me):
        raise Refused("only the class's teacher and root see others", 403)
    if unid:
        user = User.objects.filter(unid=unid).first()
        if user and (me.is_superuser or trainees_of(me, user.class_name).filter(pk=user.pk).exists()):
            return [user]
    elif users := list(trainees_of(me, class_name)):
        return users
    raise Refused("no such account or class", 404)


def _caller(request: HttpRequest) -> User:
    user = caller_of(request).user
    if user is None:
        raise Refused(LOGIN, 403)
    return user


def _control(view: Callable[[HttpRequest, Any], JsonResponse]) -> Callable[[HttpRequest], JsonResponse]:
    def answered(request: HttpRequest, body: Any) -> JsonResponse:
        try:
            return view(request, body)
        except Refused as refusal:
            text, status = refusal.args
            return JsonResponse({"error": text}, status=status)

    return control_endpoint(answered)


def _told(request: HttpRequest, rows_of: Callable[[User, list[Call]], Rows]) -> Rows:
    """Return the rows of all who are asked for; those of a class with the account's number."""
    users = _people(request, request.GET)
    calls = calls_of(user.unid for user in users)
    whose = "class_name" in request.GET
    return [
        ({"unid": user.unid} if whose else {}) | row
        for user, own in zip(users, calls, strict=True)
        for row in rows_of(user, own)
    ]


@_control
def requests(request: HttpRequest, body: Any) -> JsonResponse:
    """GET tells the last calls, newest first."""
    rows = _told(request, lambda user, calls: [call.row() for call in reversed(calls[-KEPT:])])
    rows.sort(key=lambda row: row["time"], reverse=True)
    return JsonResponse({"requests": rows[:MAX_CLASS_ROWS]})


@_control
def signs(request: HttpRequest, body: Any) -> JsonResponse:
    """GET tells the signs, with the calls that prove each."""
    return JsonResponse({"signs": _told(request, lambda user, calls: signs_of(calls))})


@_control
def checkpoints(request: HttpRequest, body: Any) -> JsonResponse:
    """GET tells what has been reached. POST chooses for a class: ``{"class_name", "checkpoints": [...], "until"}``."""
    if request.method == "POST":
        return _choose(request, body)

    def rows(user: User, calls: list[Call]) -> Rows:
        done = progress_of({user.pk: calls}, now=times.now())[user.pk]
        return checkpoint_rows(plan_of(user.class_name)[0], done)

    return JsonResponse({"checkpoints": _told(request, rows)})


def _choose(request: HttpRequest, body: Any) -> JsonResponse:
    me, class_name = _caller(request), str(body.get("class_name") or "").replace("\x00", "")
    if not may_teach(me):
        raise Refused("only the class's teacher and root choose", 403)
    if not trainees_of(me, class_name).exists():
        raise Refused("no such account or class", 404)
    names, until = plan_read(body.get("checkpoints"), body.get("until"))
    plan_set(class_name, names, until)
    return JsonResponse({"class_name": class_name, "checkpoints": names, "until": until})


@never_cache
@require_safe
def me(request: HttpRequest) -> HttpResponse:
    """Show 我的请求, whose script asks the calls above."""
    return render(request, "lessons/me.html")
