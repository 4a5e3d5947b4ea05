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
from lessons.call_log import KEPT, calls_of, page_wait
from lessons.checkpoints import checkpoint_row
from lessons.selectors import plan_of
from lessons.services import plan_set, progress_update
from lessons.signs import signs_of
from sandbox.control import Refusal, account_of, control_endpoint, others_named

Rows = list[dict[str, Any]]


def _users_asked(request: HttpRequest) -> list[User]:
    me = account_of(request)
    return others_named(me, request.GET) or [me]


def _rows(request: HttpRequest, users: Iterable[User], rows_of: Callable[[User], Rows]) -> Rows:
    """Return the rows of all who are asked for; those of a class with the account's number."""
    is_class = "class_name" in request.GET
    return [({"unid": user.unid} if is_class else {}) | row for user in users for row in rows_of(user)]


@control_endpoint
def requests(request: HttpRequest, body: Any) -> JsonResponse:
    """GET tells the last calls, newest first. A socket that it names by ``sid`` hears of the next one."""
    users = _users_asked(request)
    page_wait(request.GET.get("sid", ""), users)
    calls = calls_of(users)
    rows = _rows(request, users, lambda user: [call.row() for call in reversed(calls[user.pk])])
    rows.sort(key=lambda row: row["time"], reverse=True)
    return JsonResponse({"requests": rows[:KEPT]})


@control_endpoint
def signs(request: HttpRequest, body: Any) -> JsonResponse:
    """GET tells the signs, with the calls that prove each."""
    users = _users_asked(request)
    calls = calls_of(users)
    return JsonResponse({"signs": _rows(request, users, lambda user: signs_of(calls[user.pk]))})


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
    users = _users_asked(request)
    done = progress_update(calls_of(users), now=times.now())
    names, _ = plan_of(users[0].class_name)
    rows = _rows(request, users, lambda user: [checkpoint_row(name, done[user.pk].get(name)) for name in names])
    return JsonResponse({"checkpoints": rows})


@never_cache
@require_safe
def me(request: HttpRequest) -> HttpResponse:
    """Show 我的请求, whose script asks the calls above."""
    return render(request, "lessons/me.html")
