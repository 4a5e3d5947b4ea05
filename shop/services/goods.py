"""Many products changed in one run: prepared to be looked at, carried out all or nothing, and taken back."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import QuerySet

from core.audit import REASON, changes_record
from core.ids import storable
from core.money import number_typed
from permissions.scope import Scope
from runs.work import run_move
from shop.errors import ProductInvalid
from shop.models import Category, GoodsRun, Product
from shop.models.catalogue import MAX_STOCK, NAME_LENGTH
from shop.services.catalogue import product_create, product_remove, products_lock, stock_adjusted

MAX_ROWS = 2_000
MAX_NAMED = 200  # characters of names in a refusal
FEN, MAX_PRICE = Decimal("0.01"), Decimal("99999999.99")


@dataclass
class GoodsRow:
    """What a run does to one product. Prices are texts, because JSON has no decimals; "" leaves the price."""

    name: str
    pk: int | None = None  # a new product has neither until it is added
    number: str = ""
    category_id: str = ""  # of a new product
    old_price: str = ""
    price: str = ""
    expected: int = 0  # stock by the sheet, or now
    counted: int | None = None
    arrived: int = 0
    reason: str = ""
    error: str = ""

    @property
    def difference(self) -> int:
        """Return what was counted more than expected. What was sold since the sheet was written is not missing."""
        return 0 if self.counted is None else self.counted - self.expected

    @property
    def pieces(self) -> int:
        return self.difference + self.arrived

    def reversed(self) -> "GoodsRow":
        """Return what takes this row back."""
        return replace(self, old_price=self.price, price=self.old_price, counted=None, arrived=-self.pieces, reason="")

    @property
    def is_new(self) -> bool:
        return bool(self.category_id)

    @property
    def is_change(self) -> bool:
        return bool(self.pk is None or self.price or self.pieces or self.error)


# --- What a sheet or a percentage asks for ---
class GoodsLine(forms.Form):
    """A line of the sheet. The labels of the fields are its heads."""

    number = forms.CharField(label="商品编号", required=False)
    name = forms.CharField(label="商品名称", required=False, max_length=NAME_LENGTH)
    category = forms.CharField(label="类目", required=False)
    price = forms.DecimalField(label="价格（元）", required=False, min_value=FEN, max_digits=10, decimal_places=2)
    expected = forms.IntegerField(label="账面库存", required=False, min_value=0, max_value=MAX_STOCK)
    counted = forms.IntegerField(label="实盘库存", required=False, min_value=0, max_value=MAX_STOCK)
    arrived = forms.IntegerField(label="入库", required=False, min_value=0, max_value=MAX_STOCK)
    reason = forms.CharField(label="原因", required=False, max_length=200)


_NUMBERS = ("price", "expected", "counted", "arrived")
HEADS = {str(field.label): name for name, field in GoodsLine.base_fields.items()}
_SYNONYMS = {"编号": "number", "名称": "name", "商品": "name", "价格": "price", "单价": "price"}
_SYNONYMS |= {"库存": "expected", "实盘": "counted", "盘点": "counted", "进货": "arrived", "备注": "reason"}


def products_on_sale(scope: Scope) -> QuerySet[Product]:
    """Return the products of a sheet, in its order."""
    products = Product.objects.filter(scope.visible(), removed_at=None)
    return products.select_related("category").order_by("category", "pk")


def goods_read(lines: Sequence[Sequence[str]], scope: Scope) -> list[GoodsRow]:
    """Return what a sheet asks for, a row for each of its lines; its first line names the columns.

    :raises ProductInvalid: it has no column that names products, or too many lines.
    """
    names = [(HEADS | _SYNONYMS).get(text, "") for text in lines[0]] if lines else []
    if not {"number", "name"} & set(names):
        raise ProductInvalid("第一行要有“商品编号”或“商品名称”：请用下载的商品表来填")
    if len(lines) > MAX_ROWS + 1:
        raise ProductInvalid(f"一次最多 {MAX_ROWS} 行")
    products: dict[tuple[str, str], list[Product]] = defaultdict(list)
    for product in products_on_sale(scope):
        products["number", product.product_id].append(product)
        products["name", product.name].append(product)
    categories = {row.name: row.category_id for row in Category.objects.filter(scope.visible(), removed_at=None)}
    rows: dict[Any, GoodsRow] = {}  # by the key of the product, or the name of a new one
    for number, cells in enumerate(lines[1:]):
        values = dict(zip(names, cells, strict=False))
        line = GoodsLine(values | {name: number_typed(values[name]) for name in _NUMBERS if name in values})
        # Made storable here, since a refused line is stored with its name, too.
        name = storable(line.data.get("name") or line.data.get("number", ""), NAME_LENGTH)
        try:
            row = _row_of(line, name, products, categories)
            if (row.pk or row.name) in rows:
                raise ProductInvalid("这件商品上面已经有一行")
            rows[row.pk or row.name] = row
        except ProductInvalid as refusal:
            rows["line", number] = GoodsRow(name, error=refusal.msg)
    return list(rows.values())


def _row_of(
    line: GoodsLine, name: str, products: dict[tuple[str, str], list[Product]], categories: dict[str, str]
) -> GoodsRow:
    """Return what a line asks for.

    :raises ProductInvalid: it says nothing clear.
    """
    if not line.is_valid():
        errors = (f"{line.fields[field].label}：{texts[0]}" for field, texts in line.errors.items())
        raise ProductInvalid("；".join(errors))
    values = line.cleaned_data
    if values["price"]:
        values["price"] = values["price"].quantize(FEN)
    matches = products.get(("number", values["number"]) if values["number"] else ("name", values["name"]), [])
    if len(matches) > 1:
        raise ProductInvalid(f"有 {len(matches)} 件商品叫这个名称，请填商品编号")
    if matches:
        return _row_of_known(matches[0], values)
    if values["number"]:
        raise ProductInvalid("没有这个商品编号")
    return _row_of_new(name, values, categories)


def _row_of_known(product: Product, values: dict[str, Any]) -> GoodsRow:
    row = _row(product, values["price"])
    row.reason, row.counted, row.arrived = values["reason"], values["counted"], values["arrived"] or 0
    if values["expected"] is not None:
        row.expected = values["expected"]
    return row


def _row_of_new(name: str, values: dict[str, Any], categories: dict[str, str]) -> GoodsRow:
    """Return the row of a product that is to be added. Its stock is what was counted, else what the sheet expects."""
    row = GoodsRow(
        name,
        price=str(values["price"] or ""),
        category_id=categories.get(values["category"], ""),
        counted=values["expected"] if values["counted"] is None else values["counted"],
        arrived=values["arrived"] or 0,
        reason=values["reason"],
    )
    if not (row.name and row.price and row.category_id):
        raise ProductInvalid("没有这件商品；要新增，请填名称、价格和一个已有的类目")
    if row.pieces > MAX_STOCK:
        raise ProductInvalid(f"库存最多 {MAX_STOCK} 件")
    return row


def _row(product: Product, price: Decimal | None) -> GoodsRow:
    row = GoodsRow(product.name, product.pk, product.product_id, expected=product.stock)
    if price not in (None, product.price):
        row.old_price, row.price = str(product.price), str(price)
        row.error = "价格太大" if price and price > MAX_PRICE else ""
    return row


def goods_repriced(products: Iterable[Product], percent: Decimal) -> list[GoodsRow]:
    """Return a row for each product, with its price changed by so many percent, rounded to fen."""
    rate = 1 + percent / 100
    return [_row(one, max(FEN, (one.price * rate).quantize(FEN, ROUND_HALF_UP))) for one in products]


# --- The run ---
def goods_prepare(
    *, rows: Iterable[GoodsRow], file_name: str, reason: str, user_pk: Any, scope: Scope, now: datetime
) -> GoodsRun:
    """Keep what is to be changed, to be looked at and confirmed. ``scope`` is that by which the products were found.

    :raises ProductInvalid: nothing would change.
    """
    changes = [asdict(row) for row in rows if row.is_change]
    if not changes:
        raise ProductInvalid("没有要修改的：价格和现在一样，也没有填实盘库存或入库")
    facts = {"file_name": file_name[:120], "reason": reason, "created_by_id": user_pk, "scope": scope.key}
    return GoodsRun.objects.create(rows=changes, **facts, created_at=now, phase_at=now)


@transaction.atomic
def goods_apply(*, run: GoodsRun, actor: str, scope: Scope, now: datetime) -> None:
    """Carry out all of a prepared run, or nothing.

    :raises RunNotReady: it was carried out already.
    :raises NotPermitted: ``scope`` does not allow it.
    :raises ProductInvalid: a row has an error, or a product has changed so that its row does not fit any more.
    """
    run_move(run, [GoodsRun.State.READY], "这一批已经处理过", state=GoodsRun.State.DONE, phase_at=now)
    rows = [GoodsRow(**row) for row in run.rows]
    if wrong := next((row for row in rows if row.error), None):
        raise ProductInvalid(f"{wrong.name}：{wrong.error}")
    _change([row for row in rows if not row.is_new], run.reason, actor, scope, now)
    moment = now
    for row in rows:
        if row.is_new:
            facts: dict[str, Any] = {"category_id": row.category_id, "name": row.name, "price": Decimal(row.price)}
            product = product_create(**facts, stock=row.pieces, actor=actor, scope=scope, now=moment)
            row.pk, row.number = product.pk, product.product_id
            # Ids are milliseconds: from one moment each row would try the ids of all before it.
            moment = product.created_at + timedelta(milliseconds=1)
    # This transaction holds the products now, so whoever has counted them meanwhile has committed.
    if counted := goods_counted(run=run, since=run.created_at):
        raise ProductInvalid(f"同事刚刚盘点过：{counted}。请重新下载商品表再盘点")
    run.rows = [asdict(row) for row in rows]
    run.save(update_fields=["rows"])


@transaction.atomic
def goods_undo(*, run: GoodsRun, actor: str, scope: Scope, now: datetime) -> None:
    """Take back all of a run that was carried out, or nothing; a product that it added is taken off sale.

    :raises RunNotReady, NotPermitted, ProductInvalid: as in :func:`goods_apply`.
    """
    run_move(run, [GoodsRun.State.DONE], "这一批已经撤销，或者还没有写入", state=GoodsRun.State.UNDONE, phase_at=now)
    rows = [GoodsRow(**row) for row in run.rows]
    _change([row.reversed() for row in rows if not row.is_new], "撤销", actor, scope, now)
    for row in rows:
        if row.is_new:
            product_remove(product_id=row.number, scope=scope, now=now)


def _change(rows: Sequence[GoodsRow], reason: str, actor: str, scope: Scope, now: datetime) -> None:
    """Give products their prices and pieces, in a few statements for all of them."""
    products, changes = products_lock(pks=[row.pk for row in rows if row.pk], scope=scope), []
    for row in rows:
        product = products.get(row.pk or 0)
        if product is None:
            raise ProductInvalid(f"{row.name}：已经下架")
        if row.price and product.price != Decimal(row.old_price):
            raise ProductInvalid(f"{product}：同事刚把价格改成了 {product.price}")
        words: dict[str, Any] = {"price": [row.old_price, row.price]} if row.price else {}
        if row.pieces:
            words["stock"] = [product.stock, stock_adjusted(product, row.pieces)]
        if text := f"{reason} {row.reason}".strip():
            words[REASON] = ["", text]
        changes.append((product, words))
        product.price, product.stock = Decimal(row.price or product.price), product.stock + row.pieces
        product.updator, product.updated_at = actor, now
    # All rows exist, so this updates them in one statement; ``bulk_update`` sends a CASE of thousands of branches.
    fields = ["price", "stock", "updator", "updated_at"]
    Product.objects.bulk_create(products.values(), update_conflicts=True, update_fields=fields, unique_fields=["id"])
    changes_record(changes)


def goods_counted(*, run: GoodsRun, since: datetime) -> str:
    """Name those of a run's counted products that another run has counted since: the difference would count twice."""
    counted = {row["pk"]: row["name"] for row in run.rows if row["pk"] and row["counted"] is not None}
    others = GoodsRun.objects.filter(state=GoodsRun.State.DONE, phase_at__gte=since).exclude(pk=run.pk)
    pks = {row["pk"] for rows in others.values_list("rows", flat=True) for row in rows if row["counted"] is not None}
    return "、".join(name for pk, name in counted.items() if pk in pks)[:MAX_NAMED]
