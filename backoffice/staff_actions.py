"""Show in the one list of changes what staff did to orders and to money.

Orders, payments and refunds keep complete logs of their own, also of what buyers, WeChat Pay and the clock did. Only
the rows that a member of staff caused are repeated here. Signals do it, so that no service has to remember it.
"""

from typing import Any

from django.apps import apps
from django.db.models.signals import post_save

from core.audit import action_record, is_by_staff
from core.money import fen_text
from shop.actions import OrderAction
from shop.states import Event, State


def watch_logs() -> None:
    post_save.connect(_of_order, sender=apps.get_model("shop.OrderLog"), dispatch_uid="staff_actions_on_orders")
    post_save.connect(_of_money, sender=apps.get_model("payments.PaymentLog"), dispatch_uid="staff_actions_on_money")


def _of_order(instance: Any, created: bool, **_: Any) -> None:
    if not (created and is_by_staff(instance.actor)):
        return
    states = dict.fromkeys(State(state).label for state in (instance.from_state, instance.to_state) if state)
    words = {"事件": instance.event, "状态": " → ".join(states), "说明": instance.detail}
    action_record(instance.order, OrderAction.SHIP if instance.event == Event.SHIP.label else OrderAction.ORDER, words)


def _of_money(instance: Any, created: bool, **_: Any) -> None:
    if not (created and instance.refund and is_by_staff(instance.actor)):
        return
    refund = instance.refund
    words = {"事件": instance.event, "金额": fen_text(refund.amount_fen), "原因": refund.reason or instance.detail}
    action_record(refund, OrderAction.REFUND, words)
