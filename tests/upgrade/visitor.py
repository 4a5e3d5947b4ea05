"""A visitor who makes every call of the API document and opens every page of the back office."""

import re
from collections.abc import Callable, Iterator
from http.cookiejar import Cookie
from typing import Any

import requests
from requests.cookies import RequestsCookieJar

from payments.tests.fake_wechat import WeChat
from tests.journeys.conftest import Running
from tests.journeys.document import CALLS, Made
from tests.journeys.test_document import World
from tests.kit import PageForm
from tests.processes import until

SHEET = "学号,班级,姓名,年龄,城市,学历,项目地址,自我评价\n,H51999,旧版,20,重庆,本科,地址,你好\n"
OTHERS = "班级,姓名,年龄,城市,学历\nH51999,新版,不知道,重庆,本科\n"  # who is there already has left; one row is wrong
WAIT_S = 40


class PatientWeChat(WeChat):
    """The strict provider, but like WeChat Pay itself it reads XML whatever type its sender names."""

    def v2(self, operation: str, content_type: str, raw: bytes) -> Any:
        return super().v2(operation, "text/xml", raw)


class PlainJar(RequestsCookieJar):
    """Sends cookies that are for TLS alone as well: nginx says that it speaks TLS, but has no certificate here."""

    def set_cookie(self, cookie: Cookie, *args: Any, **options: Any) -> None:
        cookie.secure = False
        super().set_cookie(cookie, *args, **options)


class Visitor(World):
    """A trainee who makes every call of the document, and root in the back office."""

    password = "last-release-9"  # early releases wanted more than the document's 555

    def __init__(self, running: Running, wechat: WeChat) -> None:
        self.wechat, self.staff = wechat, requests.Session()
        self.staff.cookies = PlainJar()
        super().__init__(running)

    def made_paid(self) -> str:
        order = self.made_order()
        self.ask("POST", "/pay/payment", order_id=order)
        self.wechat.pay(order)
        notice, kind = self.wechat.notice_v2(order), {"Content-Type": "text/xml"}
        assert b"SUCCESS" in requests.post(f"{self.base}/pay/payResult", notice, headers=kind, timeout=20).content
        return order

    def page(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> requests.Response:
        """Open a page, or open it and send its form."""
        url = self.base + path
        answer = self.staff.get(url, timeout=20)
        if data is not None and answer.ok:
            data = PageForm(answer).data(csrfmiddlewaretoken=self.staff.cookies["csrftoken"]) | data
            answer = self.staff.post(url, data, headers={"Referer": "https://127.0.0.1/"}, timeout=20, **more)
        assert answer.ok and "/admin/login" not in answer.url, f"{answer.status_code} {answer.url}"
        return answer

    def call(self, call: Any) -> None:
        if call.who == "passer-by":
            self.come_in()
        if call.before:
            self.value(Made(call.before), call.who)
        answer = self.send(call.method, call.path, self.values(call.needs | call.takes, call.who), call.who)
        assert answer["state"] is call.ok["state"], answer

    def refund(self) -> None:
        order = self.made_paid()
        self.ask("POST", "/order/returns", order_id=order)
        refunds = self.wechat.refunds
        assert until(lambda: any(r["out_trade_no"] == order for r in refunds.values()), WAIT_S), "nothing given back"

    def log_in_as_root(self) -> None:
        root = {"username": "root", "password": self.running.root_password}
        self.page("/admin/login/?next=/admin/", root)

    def product_save(self) -> None:
        path = re.search(r"/admin/shop/product/\d+/change/", self.page("/admin/shop/product/").text)[0]
        self.page(path, {"description": "旧版保存"})
        assert "旧版保存" in self.page(path).text

    def student_import(self) -> None:
        file = {"file": ("新学员.csv", SHEET.encode(), "text/csv")}
        run = self.page("/admin/students/transferrun/import/", {}, files=file).url.removeprefix(self.base)
        assert until(lambda: "确认导入" in self.page(run).text, WAIT_S), "not checked"
        self.page(run, {"do": "confirm", "sure_new": "1"})
        assert until(lambda: "新增 1 名" in self.page(run).text, WAIT_S), "not imported"

    def list_without_leavers(self) -> str:
        """Send in a list in which somebody of its class is missing, as only HEAD notes; return the run's page."""
        file = {"file": ("名单.csv", OTHERS.encode(), "text/csv")}
        run = self.page("/admin/students/transferrun/import/", {}, files=file).url.removeprefix(self.base)
        assert until(lambda: "不在名单里" in self.page(run).text, WAIT_S), "not checked"
        return run

    def steps(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Yield what to do, with its name."""
        for call in CALLS:
            yield str(call), lambda call=call: self.call(call)
        yield "a refund", self.refund
        yield "login", self.log_in_as_root
        yield "a product is saved", self.product_save
        yield "a student is imported", self.student_import
        links, kinds = ["/admin/"], ["/admin/"]
        for kind, link in zip(kinds, links, strict=True):  # they grow: what a page links to, one record of each kind
            texts: list[str] = []
            yield kind, lambda link=link, texts=texts: texts.append(self.page(link).text)
            for other in re.findall(r'href="(/admin/[^"?#]*)', "".join(texts)):
                kind = re.sub(r"[:\d][^/]*", "1", other)
                if kind not in kinds and not other.startswith(("/admin/logout", "/admin/jsi18n")):
                    kinds.append(kind)
                    links.append(other)

    def failures(self) -> dict[str, str]:
        """Do it all; return what does not work, and why."""
        wrong: dict[str, str] = {}
        done = 0
        for name, step in self.steps():
            try:
                step()
                done += 1
            except Exception as error:
                wrong[name] = f"{type(error).__name__}: {error}"[:400]
        print(f"{done} calls and pages work, {len(wrong)} do not", flush=True)
        return wrong
