"""/docs/codes/ is made of the calls' own refusals."""

from datetime import timedelta

from accounts.errors import SidUnknown, WechatCodeSpent
from core.errors import LoginRequired, Throttled


def rows(page: str) -> list[str]:
    return [row.partition("</tr>")[0] for row in page.split("<tr>")[1:]]


def test_a_refusal_stands_once_in_its_module_with_the_calls_that_answer_it(api):
    page = api.http.get("/docs/codes/").content.decode()

    for error, call in [(SidUnknown(), "/users/getQrcode"), (WechatCodeSpent(), "/users/wechatLogin")]:
        (row,) = [row for row in rows(page) if f"<td>{error.msg}</td>" in row and call in row]
        assert f"<code>{error.status}</code>" in row and error.remedy in row


def test_what_every_call_may_answer_stands_once_and_first(api):
    page = api.http.get("/docs/codes/").content.decode()
    assert "/pay/transactions/out-trade-no/:out_trade_no" in page  # as clients write it

    first = rows(page)[1]
    assert LoginRequired.msg in first and "code “10022”" in first and LoginRequired.remedy in first
    (throttled,) = [row for row in rows(page)[:16] if Throttled.msg in row]
    assert "HTTP 429" in throttled


def test_the_limits_are_those_that_are_configured(api, settings, monkeypatch):
    settings.ORDER_TTL = timedelta(minutes=7)
    monkeypatch.setattr("accounts.services.sms_codes.PER_ADDRESS", (("hour", 81, 3600), ("day", 401, 86400)))

    for page in ("/docs/codes/", "/demo/"):
        text = api.http.get(page).content.decode()
        assert "7 分钟后关闭" in text and "同一地址每小时 81 条,每天 401 条" in text
