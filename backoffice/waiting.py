"""What waits for a member of staff: the bell in the header of every page asks for it."""

from collections.abc import Iterator
from datetime import timedelta

from django.http import HttpRequest, JsonResponse

from backoffice.navigation import may_see, page_of
from backoffice.parts import list_url
from core import times
from core.models import Export
from payments.selectors import differences_open
from shop.selectors import orders_to_do
from shop.states import State

EXPORTS_OF = timedelta(hours=1)
# Who has the right of orders is told of those in the states: right, label, work list, states.
ORDERS = (
    ("ship", "待发货", "ship", (State.PAID, State.PREPARING)),
    ("decide", "待处理退货", "returns", (State.RETURN_ASKED, State.RETURN_ASKED_LATER)),
    ("refund", "退款异常", "refunds", (State.REFUND_FAILED,)),
)


def waiting_page(request: HttpRequest) -> JsonResponse:
    """Answer with what waits for this user: label, number and address of each list that is not empty."""
    rows = [{"label": label, "number": number, "link": link} for label, number, link in _waiting(request) if number]
    return JsonResponse({"rows": rows})


def _waiting(request: HttpRequest) -> Iterator[tuple[str, int, str]]:
    lists = [row for row in ORDERS if page_of("shop.order").has_right(request, row[0])]
    to_do = orders_to_do() if lists else {}
    for _, label, work, states in lists:
        yield label, sum(to_do[state] for state in states), list_url("shop.order", work=work)
    if may_see(request, "payments.difference"):
        yield "对账差异", differences_open(), list_url("payments.difference")
    since = times.now() - EXPORTS_OF
    done = Export.objects.filter(created_by=request.user.pk, state=Export.State.DONE, begun_at__gte=since)
    yield "导出完成", done.count(), list_url("core.export")
