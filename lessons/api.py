"""What a lesson sees as JSON, below /sandbox/control/: an account its own, teachers and root those of others.

The form of the answers is in docs/sandbox.md; with ``class_name`` each row says in ``unid`` whose it is.
"""

from collections.abc import Callable, Iterable
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


def _asked(request: HttpRequest) -> list[tuple[User, list[Call]]]:
    users = _people(request, request.GET)
    return list(zip(users, calls_of(user.unid for user in users), strict=True))


def _told(request: HttpRequest, rows_by_user: Iterable[tuple[User, Rows]]) -> Rows:
    """Return the rows of all who are asked for; those of a class with the account's number."""
    is_class = "class_name" in request.GET
    return [({"unid": user.unid} if is_class else {}) | row for user, rows in rows_by_user for row in rows]


@_control
def requests(request: HttpRequest, body: Any) -> JsonResponse:
    """GET tells the last calls, newest first."""
    rows = _told(request, ((user, [call.row() for call in reversed(calls)]) for user, calls in _asked(request)))
    rows.sort(key=lambda row: row["time"], reverse=True)
    return JsonResponse({"requests": rows[:KEPT]})


@_control
def signs(request: HttpRequest, body: Any) -> JsonResponse:
    """GET tells the signs, with the calls that prove each."""
    return JsonResponse({"signs": _told(request, ((user, signs_of(calls)) for user, calls in _asked(request)))})


@_control
def checkpoints(request: HttpRequest, body: Any) -> JsonResponse:
    """GET tells what has been reached. POST chooses for a class: ``{"class_name", "checkpoints": [...], "until"}``."""
    if request.method == "POST":
        return _choose(request, body)
    asked = _asked(request)
    done = progress_of({user.pk: calls for user, calls in asked}, now=times.now())
    names, _ = plan_of(asked[0][0].class_name)
    rows = _told(request, ((user, checkpoint_rows(names, done[user.pk])) for user, _ in asked))
    return JsonResponse({"checkpoints": rows})


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
