"""Faults of a class (``sandbox.switches``): presets that a teacher switches on for all, and what is on."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings

from accounts.models import User
from sandbox.switches import Switch, switch_at, switch_clear, switch_set, switches_on

MINUTES = (1, 5, 10, 20, 45)
SHOP = ["/cart/add_to_cart", "/pay/pre_order", "/pay/payment"]
# By their names: what is sent to ``/sandbox/control/calls``, and what a client must do about it.
PRESETS: dict[str, tuple[dict[str, Any], str]] = {
    "弱网": ({"delay_ms": 800, "jitter_ms": 2200}, "每次调用慢 0.8 到 3 秒：要有加载中，旧的返回值不能盖住新的"),
    "token 过期": ({"answer": "expired"}, "现有的 token 都失效：要重新登入，或刷新令牌"),
    "抢购": (
        {"answer": "429", "rate": 0.5, "calls": SHOP},
        "一半的下单和付款要排队：等 Retry-After 再试，不能重复下单",
    ),
    "服务器重启": ({"answer": "503"}, "所有调用返回 503：要提示，等 Retry-After 再试"),
}


def fault_set(users: Iterable[User], name: str, *, minutes: int, now: datetime) -> None:
    body, _ = PRESETS[name]
    for user in users:
        switch_set(body | {"minutes": minutes}, unid=user.unid, is_of_teacher=True, now=now, name=name)


def faults_end(users: Iterable[User]) -> None:
    """End what the teacher has switched; a trainee's own switch stays."""
    for user in users:
        if (switch := switch_at(user.unid)) and switch.is_of_teacher:
            switch_clear(user.unid)


def class_switches_on(class_names: Iterable[str]) -> dict[str, dict[Switch, int]]:
    """Return the switches that are on in each class, and for how many accounts."""
    switches = switches_on() if settings.SANDBOX else []
    users = User.objects.filter(unid__in=[switch.unid for switch in switches], class_name__in=list(class_names))
    classes = dict(users.values_list("unid", "class_name")) if switches else {}
    found: dict[str, Counter[Switch]] = defaultdict(Counter)
    for switch in switches:
        if switch.unid in classes:
            found[classes[switch.unid]][replace(switch, unid="", jti="")] += 1
    return {name: dict(counter) for name, counter in found.items()}
