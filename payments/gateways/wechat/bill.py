"""Reading WeChat Pay's daily trade bill (交易账单, type ALL): payments by the day they succeeded, refunds by the day
they were accepted. Source: WeChat Pay v3, 交易账单文件格式说明.

A line of titles, the rows, a line of titles and a line of sums. In rows and sums each field begins with a backtick.
Columns are found by their titles, since their order is not promised.
"""

import re
from datetime import datetime
from decimal import Decimal
from io import BytesIO, TextIOWrapper
from sys import intern

from core.money import yuan_to_fen
from core.times import SHANGHAI
from payments.errors import ProviderUntrusted
from payments.gateways.base import BillRow
from payments.gateways.wechat.shared import is_number

_FREE_TEXT = ("商品名称", "商户数据包")  # stand side by side, and may hold whatever a merchant writes
_COUNT = "总交易单数"  # begins the line of the sums' titles
_PAID = {"SUCCESS", "REVOKED"}
MAX_RATE, MAX_APPID, MAX_STATE = 16, 32, 16


def read_bill(raw: bytes, mch_id: str) -> list[BillRow]:
    """Read the rows of a bill, line by line: as one text it would take several times its size.

    Its sums are not compared: what they add up is not documented well enough, and the file's digest proves it whole.

    :raises ProviderUntrusted: it is not UTF-8, a title is missing, a row cannot be read or is another merchant's, a
        payment or refund comes twice, or there are more or fewer rows than the bill itself counts.
    """
    lines = TextIOWrapper(BytesIO(raw), "utf-8-sig", newline="\n")
    try:
        titles = next(lines, "").rstrip("\r\n").split(",")
        if len(set(titles)) != len(titles) or not set(titles).issuperset(_FREE_TEXT):
            raise ProviderUntrusted("the bill has other columns")
        rows, counted = [], -1
        for number, line in enumerate(lines, 2):
            if line.startswith(_COUNT):
                counted = _count(lines)
                break
            rows.append(_row(number, _cells(number, line.rstrip("\r\n"), titles), mch_id))
    except UnicodeDecodeError:
        raise ProviderUntrusted("the bill is not UTF-8") from None
    if len(rows) != counted:
        raise ProviderUntrusted(f"the bill has {len(rows)} rows and counts {counted}")
    if len({(row.out_trade_no, row.out_refund_no) for row in rows}) != len(rows):
        raise ProviderUntrusted("a payment or refund is in the bill twice")
    return rows


def _count(lines: TextIOWrapper) -> int:
    """Return the number of rows, which begins the last line."""
    value = next(lines, "").rstrip("\r\n").split(",")[0]
    if not re.fullmatch(r"`[0-9]{1,9}", value) or lines.read().strip():
        raise ProviderUntrusted("the bill has no sums")
    return int(value[1:])


def _cells(number: int, line: str, titles: list[str]) -> dict[str, str]:
    """Take a row apart.

    A text of the merchant's may hold commas and backticks: the columns beside it are then counted from both ends.
    """
    cells = line[1:].split(",`")
    surplus = len(cells) - len(titles)
    if not line.startswith("`") or surplus < 0:
        raise ProviderUntrusted(f"line {number} of the bill cannot be read")
    if surplus:
        texts = sorted(titles.index(title) for title in _FREE_TEXT)
        cells[texts[0] : texts[-1] + 1 + surplus] = [""] * (texts[-1] + 1 - texts[0])
    return dict(zip(titles, map(str.strip, cells), strict=True))


def _row(number: int, cells: dict[str, str], mch_id: str) -> BillRow:
    try:
        is_refund = cells["交易状态"] == "REFUND"
        row = BillRow(
            bill_at=datetime.strptime(cells["交易时间"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=SHANGHAI),
            appid=intern(cells["公众账号ID"]),  # all rows share one text
            mch_id=intern(cells["商户号"]),
            out_trade_no=cells["商户订单号"],
            transaction_id=cells["微信订单号"],
            bill_state=intern(cells["退款状态"] if is_refund else cells["交易状态"]),
            bill_fen=_fen(cells["申请退款金额"] if is_refund else cells["订单金额"]),
            out_refund_no=cells["商户退款单号"] if is_refund else "",
            refund_id=cells["微信退款单号"] if is_refund else "",
            fee=_fee(cells.get("手续费", "")),
            rate=intern(cells.get("费率", "")[:MAX_RATE]),
        )
        if row.mch_id != mch_id or cells["货币种类"] != "CNY":
            raise ValueError("of another merchant or currency")
        if not is_refund and row.bill_state not in _PAID:
            raise ValueError("unknown state")
        numbers = [row.transaction_id, row.out_trade_no, *([row.refund_id, row.out_refund_no] if is_refund else [])]
        if not all(is_number(text) and text != "0" for text in numbers):  # 0 fills what is empty
            raise ValueError("a number is malformed")
        if len(row.appid) > MAX_APPID or len(row.bill_state) > MAX_STATE:
            raise ValueError("an app or a state is longer than documented")
        return row
    except KeyError as error:
        raise ProviderUntrusted(f"the bill lacks the column {error}") from None
    except ValueError as error:
        raise ProviderUntrusted(f"line {number} of the bill: {error}") from None


def _fen(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,2})?", text):
        raise ValueError("an amount is malformed")
    return yuan_to_fen(Decimal(text))


def _fee(text: str) -> Decimal | None:
    """Return a fee in yuan. Of a refund it is negative, and none at all in a bill without the column."""
    if not text:
        return None
    if not re.fullmatch(r"-?[0-9]{1,10}(\.[0-9]{1,5})?", text):
        raise ValueError("a fee is malformed")
    return Decimal(text)
