"""What tables other than the orders' own tell of the orders of one page."""

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django.utils.safestring import SafeString

from core.admin.tables import may_open, page_link
from payments.models import Difference, ListenerFailure, Payment, Refund, RefundStatus
from payments.selectors import RefundsOfPayment, differences_of, listener_failures_of
from shop.models import Order, OrderLog, PartRefund
from shop.models.order import logged
from shop.order_states import Event


class Related:
    """What other tables tell of some orders. Each table is asked once, when the first order wants to know."""

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        self.orders = orders

    @cached_property
    def refunds(self) -> dict[str, list[Refund]]:
        refunds = Refund.objects.filter(payment__out_trade_no__in=self._numbers).select_related("payment")
        return _grouped((refund.payment.out_trade_no, refund) for refund in refunds.order_by("pk"))

    @cached_property
    def differences(self) -> dict[str, list[Difference]]:
        return _grouped((row.out_trade_no, row) for row in differences_of(self._numbers))

    @cached_property
    def failures(self) -> dict[str, list[ListenerFailure]]:
        return _grouped((row.out_trade_no, row) for row in listener_failures_of(self._numbers))

    @cached_property
    def unbooked(self) -> dict[str, Payment]:
        """The payments of those orders that have not booked what was paid or refunded."""
        return Payment.objects.in_bulk(list(self.failures), field_name="out_trade_no")

    @cached_property
    def requests(self) -> dict[int, OrderLog]:
        logs = OrderLog.objects.filter(logged(Event.ASK_RETURN), order__in=[order.pk for order in self.orders])
        return {log.order_id: log for log in logs.order_by("pk")}

    @property
    def _numbers(self) -> list[str]:
        return [order.order_id for order in self.orders]

    def refund(self, order: Order) -> Refund | None:
        """Return the refund that staff must tend, else the newest one under way, else the newest."""
        refunds = self.refunds.get(order.order_id)
        if not refunds:
            return None
        under_way = [refund for refund in refunds if refund.next_try_at]
        sums = RefundsOfPayment(refunds[0].payment.amount_fen, tuple(refunds))
        return sums.to_tend or [*refunds, *under_way][-1]

    def reason(self, order: Order) -> str:
        """Return why the buyer wants to give the order back. Orders from the old server have only a note."""
        request = self.requests.get(order.pk)
        return (request.detail if request else order.note) or "没有写明"

    def is_by_hand(self, order: Order) -> bool:
        """Tell whether submitting the refund again cannot help: staff then end it on the refund's page."""
        refund = self.refund(order)
        return refund is not None and refund.state in (RefundStatus.ABNORMAL, RefundStatus.OWED)

    def way_out(self, order: Order) -> SafeString | str:
        """Link to the refund's own page where no button of an order helps, "" for a user who may not open it."""
        refund = self.refund(order)
        if refund is None or not may_open(Refund):
            return ""
        if self.is_by_hand(order):
            return page_link(refund, "处理这笔退款")
        return page_link(refund, "处理这笔部分退款") if order.part_refund == PartRefund.STUCK else ""


def _grouped(pairs: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for key, row in pairs:
        groups[key].append(row)
    return dict(groups)
