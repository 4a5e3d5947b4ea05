"""Reading WeChat Pay's daily trade bill (交易账单, type ALL): payments by the day they succeeded, refunds by the day
they were accepted. Source: WeChat Pay v3, 交易账单文件格式说明.

A line of titles, the rows, a line of titles and a line of sums. In rows and sums each field begins with a backtick.
Columns are found by their titles, since their order is not promised.
"""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.money import yuan_to_fen
from core.times import SHANGHAI
from payments.gateways.base import BillRow, GatewayUntrusted
from payments.gateways.wechat.shared import is_number

_TITLES = {
    "at": "交易时间",
    "appid": "公众账号ID",
    "mch_id": "商户号",
    "transaction_id": "微信订单号",
    "out_trade_no": "商户订单号",
    "state": "交易状态",
    "currency": "货币种类",
    "refund_id": "微信退款单号",
    "out_refund_no": "商户退款单号",
    "refund_state": "退款状态",
    "fen": "订单金额",
    "refund_fen": "申请退款金额",
}
_FREE_TEXT = ("商品名称", "商户数据包")  # stand side by side, and may hold whatever a merchant writes
_COUNT = "总交易单数"
_PAID, _REFUND = {"SUCCESS", "REVOKED"}, "REFUND"


def read_bill(text: str, mch_id: str) -> list[BillRow]:
    """Read the rows of a bill.

    Its sums are not compared: what they add up is not documented well enough, and the file's digest proves it whole.

    :raises GatewayUntrusted: a title is missing, a row cannot be read or is another merchant's, a payment or refund
        comes twice, or there are more or fewer rows than the bill itself counts.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\n").split("\n")
    if len(lines) < 3:
        raise GatewayUntrusted("the bill has no sums")
    titles, count = lines[0].split(","), _count(lines[-2], lines[-1])
    titles_needed = [*_TITLES.values(), *_FREE_TEXT]
    if missing := [title for title in titles_needed if titles.count(title) != 1]:
        raise GatewayUntrusted(f"the bill lacks the column {missing[0]}")
    rows = [_row(number, _cells(number, line, titles), mch_id) for number, line in enumerate(lines[1:-2], 2)]
    if len(rows) != count:
        raise GatewayUntrusted(f"the bill has {len(rows)} rows and counts {count}")
    if len({(row.out_trade_no, row.out_refund_no) for row in rows}) != len(rows):
        raise GatewayUntrusted("a payment or refund is in the bill twice")
    return rows


def _count(titles: str, sums: str) -> int:
    name, value = titles.split(",")[0], sums.split(",")[0]
    if name != _COUNT or not re.fullmatch(r"`[0-9]{1,9}", value):
        raise GatewayUntrusted("the bill has no sums")
    return int(value[1:])


def _cells(number: int, line: str, titles: list[str]) -> dict[str, str]:
    """Take a row apart. A text of the merchant's may hold commas and backticks: the columns beside it are then
    counted from both ends."""
    cells = line[1:].split(",`")
    surplus = len(cells) - len(titles)
    if not line.startswith("`") or surplus < 0:
        raise GatewayUntrusted(f"line {number} of the bill cannot be read")
    if surplus:
        texts = sorted(titles.index(title) for title in _FREE_TEXT)
        cells[texts[0] : texts[-1] + 1 + surplus] = [""] * (texts[-1] + 1 - texts[0])
    return dict(zip(titles, cells, strict=True))


def _row(number: int, cells: dict[str, str], mch_id: str) -> BillRow:
    said: dict[str, Any] = {name: cells[title].strip() for name, title in _TITLES.items()}
    is_refund = said["state"] == _REFUND
    numbers = ["transaction_id", "out_trade_no", *(["refund_id", "out_refund_no"] if is_refund else [])]
    try:
        if said["mch_id"] != mch_id or said["currency"] != "CNY":
            raise ValueError("of another merchant or currency")
        if not is_refund and said["state"] not in _PAID:
            raise ValueError("unknown state")
        if not all(is_number(said[name]) and said[name] != "0" for name in numbers):  # 0 fills what is empty
            raise ValueError("a number is malformed")
        return BillRow(
            at=_time(said["at"]),
            appid=said["appid"],
            mch_id=mch_id,
            out_trade_no=said["out_trade_no"],
            transaction_id=said["transaction_id"],
            state=said["refund_state"] if is_refund else said["state"],
            fen=_fen(said["refund_fen"] if is_refund else said["fen"]),
            out_refund_no=said["out_refund_no"] if is_refund else "",
            refund_id=said["refund_id"] if is_refund else "",
        )
    except ValueError as error:
        raise GatewayUntrusted(f"line {number} of the bill: {error}") from None


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=SHANGHAI)


def _fen(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,2})?", text):
        raise ValueError("an amount is malformed")
    return yuan_to_fen(Decimal(text))
