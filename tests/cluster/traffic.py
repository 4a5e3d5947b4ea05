"""People who order, pay, give back, show pictures and log in all the time, and what they noticed."""

import io
import json
import random
import re
import subprocess
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import requests
from PIL import Image

from tests.cluster.machines import Machine
from tests.cluster.parts import ENTRANCE

PATIENCE_S = 15  # a browser's user has long gone
PAUSE_S = 0.15
KINDS = ("read", "order", "pay", "refund", "picture", "scan")
SCREENS = Path(__file__).parents[1] / "clients" / "cluster.js"
# Of a picture, in pixels; noise cannot be compressed. The large ones do not stay in memory while they arrive.
SIDE, LARGE_SIDE = 48, 1000
ORDERS = "/admin/shop/order/"


@dataclass
class Answer:
    """One request: when it began and ended, what it was for, and whether it did it."""

    kind: str
    began: float
    ended: float
    worked: bool
    text: str  # what a refused person was told, or why there was no answer


@dataclass
class Traffic:
    """Buyers read a list, order, pay, and return some; staff refund a part of others; screens are scanned."""

    wechat: Any
    tokens: list[str]
    product_id: str
    staff: requests.Session  # it keeps its cookies, as a browser does
    answers: list[Answer] = field(default_factory=list)
    away: list[tuple[float, float]] = field(default_factory=list)  # a screen without its server: from, to
    # What people were told is done:
    orders: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)
    refunded_part: set[str] = field(default_factory=set)
    pictures: dict[str, bytes] = field(default_factory=dict)  # address: pixels
    # What must never happen to any person:
    wrongs: list[str] = field(default_factory=list)
    unforeseen: Counter[str] = field(default_factory=Counter)
    to_refund: "deque[str]" = field(default_factory=lambda: deque(maxlen=4))
    viewers: int = 0  # who do nothing but look at pictures
    silence_s: float = 0  # after which a screen must have been told something

    def __enter__(self) -> "Traffic":
        self._ends = threading.Event()
        self.answers.clear(), self.away.clear(), self.pictures.clear(), self.wrongs.clear(), self.to_refund.clear()
        lives = [(self._buyer, token) for token in self.tokens]
        lives += [(self._staff,), (self._photographer, self.tokens[0]), *[(self._viewer,)] * self.viewers]
        lives += [(self._doorman, self.tokens[0])]
        self._threads = [threading.Thread(target=self._live, args=life, daemon=True) for life in lives]
        self._start_screens()
        for thread in list(self._threads):  # the doorman adds to them
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._screens.stdin.close()
        for thread in self._threads:
            thread.join(PATIENCE_S * 6)
        self._screens.wait(10)

    def _live(self, life: Any, *args: Any) -> None:
        for number in count():
            if self._ends.wait(PAUSE_S):
                return
            try:
                life(number, *args)
            except Exception as error:
                self.unforeseen[f"{type(error).__name__}: {error}"[:200]] += 1

    # --- buyers ---
    def _buyer(self, number: int, token: str, base: str = ENTRANCE) -> None:
        self._ask("read", "GET", "/product/get_product?count=1", token)
        order_id = self._ask("order", "POST", "/pay/pre_order", token, self._wish()).get("order_id")
        if not order_id:
            return
        self.orders.add(order_id)
        if not self._ask("pay", "POST", "/pay/payment", token, {"order_id": order_id}).get("code_url"):
            return
        if not self._pay_at_wechat(order_id):
            return  # a lost notification: reconciliation asks
        if number % 3 == 1 and self._ask("refund", "POST", "/order/returns", token, {"order_id": order_id}):
            self.returned.add(order_id)
        elif number % 3 == 2:
            self.to_refund.append(order_id)

    def _doorman(self, number: int, token: str) -> None:
        """Start a person who waits for no earlier answer: from an entrance that vanished, none ever comes."""
        self._ends.wait(PAUSE_S * 4)
        call = ["read", "GET", "/product/get_product?count=1", token]
        visitor = threading.Thread(target=self._ask, args=call, daemon=True)
        visitor.start()
        self._threads.append(visitor)  # whose answer belongs to this row

    def _wish(self) -> dict[str, Any]:
        return {"product_id": self.product_id, "quantity": 2}

    def _pay_at_wechat(self, order_id: str) -> bool:
        with self.wechat.lock:
            self.wechat.pay(order_id)
        notice = self.wechat.notice_v2(order_id)
        try:
            answer = requests.post(f"{ENTRANCE}/pay/payResult", notice, headers={"Content-Type": "text/xml"}, timeout=5)
        except requests.RequestException:
            return False
        return answer.status_code == 200 and b"SUCCESS" in answer.content

    def islander(self, app: Machine) -> None:
        """Let a buyer use this machine past the balancer, from where it stands: what is answered must be true."""
        headers = {"authorization": self.tokens[-1], "Host": ENTRANCE.removeprefix("http://")}
        url = f"http://{app.address}:8001/pay/pre_order"

        def buys(number: int) -> None:
            answer = requests.post(url, json=self._wish(), headers=headers, timeout=PATIENCE_S).json()
            if answer.get("order_id"):
                self.orders.add(answer["order_id"])

        thread = threading.Thread(target=app.inside, args=[lambda: self._live(buys)], daemon=True)
        self._threads.append(thread)
        thread.start()

    # --- staff ---
    def _staff(self, number: int) -> None:
        """Refund one of an order's two pieces, as the back office does it: find the order, open the form, send it."""
        if not self.to_refund:
            return
        order_id = self.to_refund.popleft()
        start = time.monotonic()
        try:
            problem = self._refund_part(self.staff, order_id)
        except requests.RequestException as error:
            problem = type(error).__name__
        if "/admin/login" in problem:
            self.wrongs.append("staff were logged out")
        if done := problem == "done":
            self.refunded_part.add(order_id)
        self.answers.append(Answer("refund", start, time.monotonic(), done, f"staff {problem}"))

    def _refund_part(self, browser: requests.Session, order_id: str) -> str:
        results = browser.get(f"{ENTRANCE}{ORDERS}", params={"q": order_id}, timeout=PATIENCE_S)
        place = re.search(rf"{ORDERS}(\d+)/change/", results.text)
        if not place:
            return _place(results)
        page = f"{ENTRANCE}{place[0]}"
        # The form of the page carries the token against forged requests.
        reply = browser.get(page, timeout=PATIENCE_S)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', reply.text)
        if not token:
            return _place(reply)
        answer = browser.post(
            page,
            {"step_refund_part": "1", "csrfmiddlewaretoken": token[1]},
            headers={"Referer": page},
            timeout=PATIENCE_S,
        )
        line = re.search(r'name="(quantity_\d+)"', answer.text)
        if not line:
            return _place(answer)
        form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', answer.text))
        form |= {line[1]: "1", "amount": "0.01", "shelf": "yes", "reason": "少一件"}
        response = browser.post(page, form, headers={"Referer": page}, timeout=PATIENCE_S)
        return "done" if "部分退款已提交" in response.text else _place(response)

    # --- pictures ---
    def _photographer(self, number: int, token: str) -> None:
        """Store a picture, look at it, and at one of the earlier ones."""
        self._ends.wait(PAUSE_S * 4)
        side = LARGE_SIDE if number % 10 == 5 else SIDE
        picture = Image.merge("RGB", [Image.effect_noise((side, side), 100) for _ in range(3)])
        file = io.BytesIO()
        picture.save(file, "PNG", compress_level=1)
        files = {"img": ("picture.png", file.getvalue(), "image/png")}
        if url := self._ask("picture", "POST", "/upload/uploadImg", token, files=files).get("imgUrl"):
            self.pictures[url] = picture.tobytes()
            self._look(url)

    def _viewer(self, number: int) -> None:
        self._ends.wait(1)
        if self.pictures:
            self._look(random.choice(list(self.pictures)), "view")

    def _look(self, url: str, kind: str = "picture") -> None:
        start = time.monotonic()
        problem = self.picture_problem(url)
        self.answers.append(Answer(kind, start, time.monotonic(), not problem, f"look {problem}"))

    def picture_problem(self, url: str) -> str:
        """Return why a stored picture cannot be seen; empty if it is seen as it was."""
        try:
            answer = requests.get(f"{ENTRANCE}{url[url.index('/media/') :]}", timeout=PATIENCE_S)
        except requests.RequestException as error:
            return type(error).__name__
        if answer.status_code != 200:
            return str(answer.status_code)
        try:
            pixels = Image.open(io.BytesIO(answer.content)).convert("RGB").tobytes()
        except OSError as error:
            return str(error)
        return "" if pixels == self.pictures[url] else "another picture"

    # --- scan logins ---
    def _start_screens(self) -> None:
        self._screens = subprocess.Popen(
            ["node", str(SCREENS), ENTRANCE, str(self.silence_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._threads.append(threading.Thread(target=self._read_screens, daemon=True))

    def _read_screens(self) -> None:
        offset = time.monotonic() - time.time()
        for line in self._screens.stdout:
            fact = json.loads(line)
            began, ended = fact["began"] / 1000 + offset, fact["ended"] / 1000 + offset
            if fact["kind"] == "away":
                self.away.append((began, ended))
                continue
            outcome, why = fact["outcome"], fact.get("why", "")
            self.answers.append(Answer("scan", began, ended, outcome == "done", f"{outcome} {why}"))
            if outcome not in ("done", "told"):
                self.wrongs.append(f"scan {outcome}: {why}")

    # --- one request, and what came of all ---
    def _ask(self, kind: str, method: str, path: str, token: str, data: Any = None, **more: Any) -> dict[str, Any]:
        start = time.monotonic()
        text, body = "", {}
        try:
            answer = requests.request(
                method, ENTRANCE + path, json=data, headers={"authorization": token}, timeout=PATIENCE_S, **more
            )
            text, body = str(answer.status_code), answer.json()
            text += f" {body.get('msg')}"
        except requests.RequestException as error:
            text = type(error).__name__
        except ValueError:
            self.wrongs.append(f"{path} answered {text} without our envelope")
        worked = text.startswith("200 ") and body.get("state") is True
        if text.startswith("500"):
            self.wrongs.append(f"{path} answered {text}")
        if body.get("code") == "1004" and "校验失败" in text:
            self.wrongs.append("a buyer was logged out")
        self.answers.append(Answer(kind, start, time.monotonic(), worked, f"{path.partition('?')[0]} {text}"))
        return body if worked else {}

    def noticed(self, kind: str, since: float, until: float) -> float:
        """Return for how long no person got an answer of this kind, at its worst (s)."""
        ends = sorted(a.ended for a in self.answers if a.kind == kind and a.worked and since <= a.ended <= until)
        moments = [since, *ends, until]
        return max(later - earlier for earlier, later in pairwise(moments))

    def longest_away(self, since: float) -> float:
        """Return for how long a screen was without its server, at its worst (s)."""
        return max((ended - began for began, ended in self.away if ended >= since), default=0)

    def slowest(self, since: float) -> float:
        """Return the longest time that a buyer waited for an answer (s)."""
        return max((a.ended - a.began for a in self.answers if a.ended >= since and a.kind in KINDS[:3]), default=0)

    def refused(self, since: float) -> Counter[str]:
        """Return what requests were told; what happens to scans is told by their seconds."""
        return Counter(
            f"{a.kind}: {a.text}" for a in self.answers if a.ended >= since and not a.worked and a.kind != "scan"
        )


def _place(answer: requests.Response) -> str:
    return f"{answer.status_code} {answer.url.partition('?')[0]}"
