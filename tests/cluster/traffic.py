"""Buyers who order and pay all the time, and what they noticed."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.cluster.parts import ENTRANCE

PATIENCE_S = 15  # a browser's user has long gone
PAUSE_S = 0.15


@dataclass
class Answer:
    """One request: when it began and ended, what it was for, and whether it did it."""

    kind: str
    began: float
    ended: float
    worked: bool
    status: int


@dataclass
class Traffic:
    """Four people; each reads a list, orders, pays, and is told so, again and again."""

    wechat: Any
    tokens: list[str]
    product_id: str
    answers: list[Answer] = field(default_factory=list)
    orders: set[str] = field(default_factory=set)  # numbers that somebody was given
    paid: set[str] = field(default_factory=set)  # what people have paid at WeChat Pay
    unforeseen: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> "Traffic":
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._live, args=[token], daemon=True) for token in self.tokens]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join(PATIENCE_S * 4)

    def _live(self, token: str) -> None:
        while not self._ends.wait(PAUSE_S):
            try:
                self._ask("read", "GET", "/product/get_product?count=1", token)
                order_id = self._ask("order", "POST", "/pay/pre_order", token, self._wish()).get("order_id")
                if not order_id:
                    continue
                self.orders.add(order_id)
                if self._ask("pay", "POST", "/pay/payment", token, {"order_id": order_id}).get("code_url"):
                    self._pay_at_wechat(order_id)
            except Exception as error:
                self.unforeseen[f"{type(error).__name__}: {error}"[:200]] += 1

    def _wish(self) -> dict[str, Any]:
        return {"product_id": self.product_id, "quantity": 1}

    def _pay_at_wechat(self, order_id: str) -> None:
        with self.wechat.lock:
            self.wechat.pay(order_id)
        self.paid.add(order_id)
        notice = self.wechat.notice_v2(order_id)
        try:
            requests.post(f"{ENTRANCE}/pay/payResult", notice, headers={"Content-Type": "text/xml"}, timeout=5)
        except requests.RequestException:
            pass  # a lost notification: reconciliation asks

    def _ask(self, kind: str, method: str, path: str, token: str, data: Any = None) -> dict[str, Any]:
        began = time.monotonic()
        status, body = 0, {}
        try:
            answer = requests.request(
                method, ENTRANCE + path, json=data, headers={"authorization": token}, timeout=PATIENCE_S
            )
            status, body = answer.status_code, answer.json()
        except (requests.RequestException, ValueError):
            pass
        worked = status == 200 and body.get("state") is True
        self.answers.append(Answer(kind, began, time.monotonic(), worked, status))
        return body if worked else {}

    def noticed(self, kind: str, since: float) -> float:
        """Return for how long nobody at all got an answer of this kind, at its worst (s)."""
        ends = [since, *sorted(a.ended for a in self.answers if a.kind == kind and a.worked and a.ended >= since)]
        return max((later - earlier for earlier, later in zip(ends, [*ends[1:], time.monotonic()], strict=True)))

    def slowest(self, since: float) -> float:
        return max((a.ended - a.began for a in self.answers if a.ended >= since), default=0)

    def refused(self, since: float) -> int:
        return sum(1 for a in self.answers if a.ended >= since and not a.worked)
