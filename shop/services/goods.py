"""Many products changed in one run: prepared to be looked at, carried out all or nothing, and taken back."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from auditlog.models import LogEntry
from django.db import transaction
from django.db.models import F

from core.errors import NotPermitted
from permissions.scope import Scope
from runs.work import run_move
from shop.errors import ProductInvalid
from shop.models import GoodsRun, Product
from shop.models.catalogue import MAX_STOCK, VIP_CATEGORY_ID
from shop.services.catalogue import product_create, product_remove

MAX_NAMED = 200  # characters of names in a refusal


@dataclass
class GoodsRow:
    """What a run does to one product. Prices are texts, because JSON has no decimals; "" leaves the price."""

    name: str
    pk: int | None = None  # a new product has none until it is added
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

    @property
    def is_new(self) -> bool:
        return bool(self.category_id or (self.pk is None and not self.error))

    @property
    def is_change(self) -> bool:
        return bool(self.pk is None or self.price or self.pieces or self.error)


@transaction.atomic
def goods_move(
    *, pk: int, pieces: int, actor: str, now: datetime, reason: str = "", old_price: str = "", price: str = ""
) -> Product:
    """Add pieces to a product's stock, and set its price where one is given; return the product.

    :raises ProductInvalid: it is off sale, has another price than ``old_price``, or its stock would leave its bounds.
    """
    products = Product.objects.filter(pk=pk)
    fitting = products.filter(removed_at=None, stock__gte=-pieces, stock__lte=MAX_STOCK - pieces)
    changes: dict[str, Any] = {"stock": F("stock") + pieces, "updator": actor[:64], "updated_at": now}
    if price:
        fitting, changes["price"] = fitting.filter(price=old_price), price
    # One statement checks and changes: an order that takes the last piece at this instant comes before or after it.
    if not fitting.update(**changes):
        raise ProductInvalid(_why_not(products.get(), pieces))
    product = products.get()  # this transaction holds its row now
    before_after = {"price": [old_price, price]} if price else {}
    before_after |= {"stock": [str(product.stock - pieces), str(product.stock)]} if pieces else {}
    before_after |= {"原因": ["", reason]} if reason else {}
    LogEntry.objects.log_create(product, action=LogEntry.Action.UPDATE, changes=before_after)
    return product


def _why_not(product: Product, pieces: int) -> str:
    if product.removed_at:
        return f"{product}：已经下架"
    if 0 <= product.stock + pieces <= MAX_STOCK:
        return f"{product}：同事刚把价格改成了 {product.price}"
    return f"{product}：库存现有{product.stock}件，不能调整{pieces:+d}件"


def goods_prepare(
    *, rows: Iterable[GoodsRow], file_name: str, reason: str, user_pk: Any, scope: Scope, now: datetime
) -> GoodsRun:
    """Keep what is to be changed, to be looked at and confirmed. ``scope`` is that by which the products were found.

    :raises ProductInvalid: nothing would change.
    """
    changes = [asdict(row) for row in rows if row.is_change]
    if not changes:
        raise ProductInvalid("没有要修改的：价格和现在一样，也没有填实盘库存或入库")
    run = GoodsRun(rows=changes, file_name=file_name[:120], reason=reason, created_by_id=user_pk, scope=scope.key)
    run.created_at = run.phase_at = now
    run.save()
    return run


@transaction.atomic
def goods_apply(*, run: GoodsRun, actor: str, scope: Scope, now: datetime) -> None:
    """Carry out all of a prepared run, or nothing.

    :raises RunNotReady: it was carried out already. :raises NotPermitted: ``scope`` does not allow it.
    :raises ProductInvalid: a row has an error, or a product has changed so that its row does not fit any more.
    """
    run_move(run, [GoodsRun.State.READY], "这一批已经处理过", state=GoodsRun.State.DONE, phase_at=now)
    rows = _rows(run, scope)
    for row in sorted(rows, key=_key):
        if row.error:
            raise ProductInvalid(f"{row.name}：{row.error}")
        if row.pk is None:
            product: dict[str, Any] = {"category_id": row.category_id, "name": row.name, "price": Decimal(row.price)}
            row.pk = product_create(**product, stock=row.pieces, actor=actor, scope=scope, now=now).pk
        else:
            change: dict[str, Any] = {"pieces": row.pieces, "old_price": row.old_price, "price": row.price}
            goods_move(pk=row.pk, reason=f"{run.reason} {row.reason}".strip(), actor=actor, now=now, **change)
    # This transaction holds the products now, so whoever has counted them meanwhile has committed.
    if counted := goods_counted(run=run, since=run.created_at):
        raise ProductInvalid(f"同事刚刚盘点过：{counted}。请重新下载商品表再盘点")
    run.rows = [asdict(row) for row in rows]
    run.save(update_fields=["rows"])


def goods_counted(*, run: GoodsRun, since: datetime) -> str:
    """Name those of a run's counted products that another run has counted since: the difference would count twice."""
    counted = {row["pk"]: row["name"] for row in run.rows if row["pk"] and row["counted"] is not None}
    others = GoodsRun.objects.filter(state=GoodsRun.State.DONE, phase_at__gte=since).exclude(pk=run.pk)
    pks = {row["pk"] for rows in others.values_list("rows", flat=True) for row in rows if row["counted"] is not None}
    return "、".join(name for pk, name in counted.items() if pk in pks)[:MAX_NAMED]


@transaction.atomic
def goods_undo(*, run: GoodsRun, actor: str, scope: Scope, now: datetime) -> None:
    """Take back all of a run that was carried out, or nothing; a product that it added is taken off sale.

    :raises RunNotReady, NotPermitted, ProductInvalid: as in :func:`goods_apply`.
    """
    run_move(run, [GoodsRun.State.DONE], "这一批已经撤销，或者还没有写入", state=GoodsRun.State.UNDONE, phase_at=now)
    for row in sorted(_rows(run, scope), key=_key):
        if row.category_id:
            product_remove(product_id=Product.objects.get(pk=row.pk or 0).product_id, scope=scope, now=now)
        else:
            change: dict[str, Any] = {"pieces": -row.pieces, "old_price": row.price, "price": row.old_price}
            goods_move(pk=row.pk or 0, reason="撤销", actor=actor, now=now, **change)


def _rows(run: GoodsRun, scope: Scope) -> list[GoodsRow]:
    """Return the rows of a run.

    :raises NotPermitted: ``scope`` does not allow to change one of their products.
    """
    rows = [GoodsRow(**row) for row in run.rows]
    for product in Product.objects.filter(pk__in=[row.pk for row in rows if row.pk]).select_related("category"):
        scope.require_change(product)
        if product.category.category_id == VIP_CATEGORY_ID and not scope.is_all:
            raise NotPermitted
    return rows


def _key(row: GoodsRow) -> int:
    return row.pk or 0  # products are locked in this order, as orders lock them
