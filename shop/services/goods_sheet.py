"""What a sheet of goods asks for, line by line, and what a percentage does to prices. Nothing is changed here."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from django import forms
from django.db.models import QuerySet

from core.ids import storable
from permissions.scope import Scope
from shop.errors import ProductInvalid
from shop.models import Category, Product
from shop.models.catalogue import MAX_STOCK, NAME_LENGTH
from shop.services.goods import GoodsRow

MAX_ROWS = 2_000
FEN, MAX_PRICE = Decimal("0.01"), Decimal("99999999.99")


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


HEADS = {str(field.label): name for name, field in GoodsLine.base_fields.items()}
_SYNONYMS = {"编号": "number", "名称": "name", "商品": "name", "价格": "price", "单价": "price"}
_SYNONYMS |= {"库存": "expected", "实盘": "counted", "盘点": "counted", "进货": "arrived", "备注": "reason"}


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
    rows: dict[int | str, GoodsRow] = {}  # by the key of the product, or the name of a new one
    for number, cells in enumerate(lines[1:]):
        row = _row_of(GoodsLine(dict(zip(names, cells, strict=False))), products, categories)
        if (row.pk or row.name) in rows:
            row.error = row.error or "这件商品上面已经有一行"
        rows[f"line {number}" if row.error else row.pk or row.name] = row
    return list(rows.values())


def _row_of(line: GoodsLine, products: dict[tuple[str, str], list[Product]], categories: dict[str, str]) -> GoodsRow:
    name = storable(line.data.get("name") or line.data.get("number", ""), NAME_LENGTH)  # also of a line that is refused
    if not line.is_valid():
        errors = (f"{line.fields[field].label}：{texts[0]}" for field, texts in line.errors.items())
        return GoodsRow(name, error="；".join(errors))
    values = line.cleaned_data
    key = ("number", values["number"]) if values["number"] else ("name", values["name"])
    matches = products.get(key, [])
    if len(matches) > 1:
        return GoodsRow(name, error=f"有 {len(matches)} 件商品叫这个名称，请填商品编号")
    if not matches and values["number"]:
        return GoodsRow(name, error="没有这个商品编号")
    price = values["price"] and values["price"].quantize(FEN)
    row = _row(matches[0], price) if matches else GoodsRow(name, price=str(price or ""))
    row.reason, row.counted, row.arrived = values["reason"], values["counted"], values["arrived"] or 0
    if values["expected"] is not None:
        row.expected = values["expected"]
    if not matches:
        row.category_id = categories.get(values["category"], "")
        row.counted, row.expected = row.expected if row.counted is None else row.counted, 0
        if row.pieces > MAX_STOCK:
            row.error = f"库存最多 {MAX_STOCK} 件"
        if not (name and row.price and row.category_id):
            row.error = "没有这件商品；要新增，请填名称、价格和一个已有的类目"
    return row


def _row(product: Product, price: Decimal | None) -> GoodsRow:
    row = GoodsRow(product.name, product.pk, expected=product.stock)
    if price not in (None, product.price):
        row.old_price, row.price = str(product.price), str(price)
        row.error = "价格太大" if price and price > MAX_PRICE else ""
    return row


def products_on_sale(scope: Scope) -> QuerySet[Product]:
    """Return the products of a sheet, in its order."""
    products = Product.objects.filter(scope.visible(), removed_at=None)
    return products.select_related("category").order_by("category", "pk")


def goods_repriced(products: Iterable[Product], percent: Decimal) -> list[GoodsRow]:
    """Return a row for each product, with its price changed by so many percent, rounded to fen."""
    rate = 1 + percent / 100
    return [_row(one, max(FEN, (one.price * rate).quantize(FEN, ROUND_HALF_UP))) for one in products]
