"""What a lesson sees as JSON, below /sandbox/control/: an account its own, teachers and root those of others.

The form of the answers is in docs/sandbox.md; with ``class_name`` each row says in ``unid`` whose it is.
"""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from core import times
from lessons.calls import Call
from lessons.checkpoints import checkpoint_row
from lessons.selectors import plan_of
from lessons.services import plan_set, progress_update
from lessons.signs import signs_of
from lessons.stream import KEPT, calls_of
from sandbox.control import Refusal, account_of, control_endpoint, others_named

Rows = list[dict[str, Any]]


def _asked(request: HttpRequest) -> list[tuple[User, list[Call]]]:
    me = account_of(request)
    users = others_named(me, request.GET) or [me]
    calls = calls_of(users)
    return [(user, calls[user.pk]) for user in users]


def _told(request: HttpRequest, rows_by_user: Iterable[tuple[User, Rows]]) -> Rows:
    """Return the rows of all who are asked for; those of a class with the account's number."""
    is_class = "class_name" in request.GET
    return [({"unid": user.unid} if is_class else {}) | row for user, rows in rows_by_user for row in rows]


@control_endpoint
def requests(request: HttpRequest, body: Any) -> JsonResponse:
    """GET tells the last calls, newest first."""
    rows = _told(request, ((user, [call.row() for call in reversed(calls)]) for user, calls in _asked(request)))
    rows.sort(key=lambda row: row["time"], reverse=True)
    return JsonResponse({"requests": rows[:KEPT]})


@control_endpoint
def signs(request: HttpRequest, body: Any) -> JsonResponse:
    """GET tells the signs, with the calls that prove each."""
    return JsonResponse({"signs": _told(request, ((user, signs_of(calls)) for user, calls in _asked(request)))})


@control_endpoint
def checkpoints(request: HttpRequest, body: Any) -> JsonResponse:
    """GET tells what has been reached. POST chooses for a class: ``{"class_name", "checkpoints": [...], "until"}``."""
    if request.method == "POST":
        users = others_named(account_of(request), {"class_name": body.get("class_name")})
        if users is None:
            raise Refusal("class_name is needed", 404)
        name = users[0].class_name
        names, until = plan_set(class_name=name, checkpoints=body.get("checkpoints"), until=body.get("until"))
        return JsonResponse({"class_name": name, "checkpoints": names, "until": until})
    asked = _asked(request)
    done = progress_update({user.pk: calls for user, calls in asked}, now=times.now())
    names, _ = plan_of(asked[0][0].class_name)
    rows = ((user, [checkpoint_row(name, done[user.pk].get(name)) for name in names]) for user, _ in asked)
    return JsonResponse({"checkpoints": _told(request, rows)})


@never_cache
@require_safe
def me(request: HttpRequest) -> HttpResponse:
    """Show 我的请求, whose script asks the calls above."""
    return render(request, "lessons/me.html")
