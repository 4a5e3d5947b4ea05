"""Which parcel's number cannot be right, and which one staff should look at again."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from permissions.scope import Scope
from shop.models import Order
from shop.models.courier import number_fits
from shop.selectors import orders_with_parcels

REUSED_WITHIN = timedelta(days=90)  # couriers give a number again after some months


class Parcel(NamedTuple):
    number: str  # "" is none
    courier: str  # as staff name it, "" where they do not


def parcels_refused(parcels: Mapping[Order, Parcel]) -> dict[Order, str]:
    """Say of which orders the parcel is that of another one of them, for somebody else.

    Two that share a parcel already may share it under another number: staff confirmed that it is for both.
    """
    first: dict[str, Order] = {}
    refusals = {}
    for order, parcel in parcels.items():
        other = first.setdefault(parcel.number, order)
        share_one = order.express_no == other.express_no != ""
        if parcel.number and not share_one and _receiver(other) != _receiver(order):
            refusals[order] = f"与订单 {other} 的单号相同，收件人却不同，是否重复扫描？"
    return refusals


def parcels_doubted(parcels: Mapping[Order, Parcel], *, scope: Scope, now: datetime) -> dict[Order, str]:
    """Say which new numbers went to somebody else lately, or do not look like one of their courier."""
    numbers, others = {parcel.number for parcel in parcels.values()} - {""}, defaultdict[str, list[Order]](list)
    for other in orders_with_parcels(numbers, scope=scope, since=now - REUSED_WITHIN):
        if other not in parcels:
            others[other.express_no].append(other)
    doubts = {}
    for order, (number, courier) in parcels.items():
        if number in ("", order.express_no):
            continue
        if same := [one for one in others[number] if _receiver(one) != _receiver(order)]:
            doubts[order] = f"订单 {same[0]}（{same[0].receiver_name}）已经用这个单号发货，收件人不同"
        elif not number_fits(courier, number):
            doubts[order] = f"不像{courier}的单号，请核对"
    return doubts


def _receiver(order: Order) -> tuple[str, str, str]:
    return order.phone, order.address, order.receiver_name
