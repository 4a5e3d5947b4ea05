"""Which parcel of a sheet is whose: a courier's own export, or two columns that were copied in a spreadsheet."""

import re
import unicodedata
from collections import defaultdict
from typing import NamedTuple

from core.admin.phones import are_phones_whole, phone_masked, phone_shown
from core.sheets.read import Rows
from shop.models import Order
from shop.models.courier import parcel_number
from shop.services.order_paid import ORDER_NUMBER

MAX_PROBLEMS, MAX_QUOTED = 20, 200
MAX_HEAD_ROW = 10
# What couriers call a column. Where a sheet has several of these columns, the name that comes first here counts.
_HEADS = {
    "parcel": "快递单号 运单号 运单号码 运单编号 快递运单号 物流单号 物流运单号 快件单号 邮件号 单号",
    "order": "订单号 订单编号 商家订单号 客户订单号 商户订单号 外部订单号 平台订单号 参考号",
    "phone": "收件人电话 收件电话 收件人手机 收件手机 收件人手机号 收件人联系方式 收方电话 收方手机 电话 手机 手机号",
    "courier": "快递公司 快递公司名称 快递 物流公司 承运商 承运商名称",
    "fee": "快递费 运费 邮费 快递费用 快递运费 运费金额 运费合计 费用 应付金额",
}
_WITH_COUNTRY = re.compile(r"86(1\d{10})")


class SheetParcel(NamedTuple):
    """A parcel as the sheet writes it."""

    number: str
    courier: str
    fee: str


def parcels_of(orders: list[Order], rows: Rows) -> tuple[dict[int, SheetParcel], list[str]]:
    """Return the parcels by the keys of their orders, and each row that fits none of ``orders`` with the reason."""
    parcels: dict[int, SheetParcel] = {}
    problems = []
    names = _names(orders)
    heads = [_places(texts) for _, texts in rows[:MAX_HEAD_ROW]]
    head = next((at for at, places in enumerate(heads) if places.keys() - {"courier"} > {"parcel"}), None)
    places = {} if head is None else heads[head]
    for row, texts in rows if head is None else rows[head + 1 :]:
        cells = _by_places(texts, places)
        if not places.keys() & {"order", "phone"}:  # no heads; or those of a bill, which has parcels and fees
            cells = _by_order(texts, names) | cells
        if not any(cells.values()):
            continue
        parcel = SheetParcel(*(cells.get(name, "") for name in ("parcel", "courier", "fee")))
        keys = [_name(cells.get("order", "")), _sent_under(parcel.number), _name(cells.get("phone", ""))]
        # The parcel of an order that is not here must not go to another order of the same buyer.
        keys = keys[:1] if ORDER_NUMBER.fullmatch(keys[0]) else keys
        matches = next((names[key] for key in keys if key in names), [])
        if problem := _problem(parcel, matches, parcels):
            quoted = dict.fromkeys(filter(None, cells.values()))  # without heads of orders the number is there twice
            problems.append(f"第 {row} 行 {' '.join(quoted)[:MAX_QUOTED]}：{problem}")
        else:
            parcels[matches[0].pk] = parcel
    more = len(problems) - MAX_PROBLEMS
    return parcels, [*problems[:MAX_PROBLEMS], *([f"另有 {more} 行没有填入"] if more > 0 else [])]


def _places(texts: list[str]) -> dict[str, int]:
    heads = [re.sub(r"[\W_]|元\W?$", "", text) for text in texts]
    columns = {name: [heads.index(word) for word in words.split() if word in heads] for name, words in _HEADS.items()}
    return {name: places[0] for name, places in columns.items() if places}


def _by_places(texts: list[str], places: dict[str, int]) -> dict[str, str]:
    return {name: texts[at].strip() for name, at in places.items() if at < len(texts)}


def _by_order(texts: list[str], names: dict[str, list[Order]]) -> dict[str, str]:
    """Find in a row without heads what names the order, else the first text; the next text is the parcel's number."""
    numbers = [text for text in texts if ORDER_NUMBER.fullmatch(_name(text))]
    order = [*numbers, *(text for text in texts if _name(text) in names), texts[0]][0]
    return {"order": order, "parcel": next((text for text in texts if text and text != order), "")}


def _problem(parcel: SheetParcel, matches: list[Order], parcels: dict[int, SheetParcel]) -> str:
    if not parcel.number:
        return "没有快递单号"
    if not matches:
        return "不是这里的订单"
    if len(matches) > 1:
        return f"{len(matches)} 个订单是这个电话或单号，请写订单号"
    other = parcels.get(matches[0].pk, parcel)
    fee = f" 快递费 {other.fee}" if other.fee else ""
    return "" if other == parcel else f"这个订单已经有单号 {other.number}{fee}"


def _names(orders: list[Order]) -> dict[str, list[Order]]:
    """Return the orders by what a sheet may call them: number, parcel, or phone, which couriers mask as we do."""
    names: dict[str, list[Order]] = defaultdict(list)
    for order in orders:
        sent_under = _sent_under(order.express_no)
        for name in {order.order_id, sent_under, phone_shown(order), phone_masked(order.phone)} - {""}:
            names[name].append(order)
    return dict(names)


def _sent_under(number: str) -> str:
    """Return the name of an order that has left under this number: one that no text in a sheet is taken for."""
    known = parcel_number(number)
    return f"#{known}" if known else ""


def _name(text: str) -> str:
    name = re.sub(r"[^0-9A-Za-z*]", "", unicodedata.normalize("NFKC", text))
    name = _WITH_COUNTRY.sub(r"\1", name) if len(name) == 13 else name
    # Who may not see whole phones must not find them out by trying: for them a sheet's phones are masked, too.
    return phone_masked(name) if len(name) == 11 and not are_phones_whole(Order) else name
