"""The parameters of each call, and the documented refusal for each that is wrong."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

from rest_framework import serializers

from core.api.envelope import first_message
from core.api.params import Between, IdList, PageParams, Params, Picture, PlainText, PositiveInt, WholeNumber, YesNo
from core.errors import DomainError
from payments.models import TradeType
from shop import errors
from shop.models.catalogue import MAX_STOCK, NAME_LENGTH
from shop.models.courier import TRACKING_LENGTH, parcel_number
from shop.models.order import ADDRESS_LENGTH, PHONE_LENGTH, RECIPIENT_LENGTH

MAX_PRICE = Decimal("99999999.99")
DESCRIPTION_LENGTH = 5000


def _refused(text: str, status: int = 1004) -> Callable[[], DomainError]:
    # Static: it is kept as an attribute of classes and must not become a method of theirs.
    return staticmethod(partial(errors.ParamsRefused, text, status=status))


NO_CATEGORY = _refused("请传入category_id", 1005)
PRODUCT_INCOMPLETE = _refused("添加失败,检查必传参数是否少传递了", 1005)


class ShopParams(Params):
    """Values are read under the names of the services' arguments (``source``).

    ``aliases`` maps other names of parameters to ours. ``wrong_status`` is that of a parameter with a wrong value.
    """

    aliases: Mapping[str, str] = {}
    wrong_status = 1004

    def to_internal_value(self, data: Any) -> Any:
        for alias, name in self.aliases.items():
            if alias in data and name not in data:
                data = {**data, name: data[alias]}
        return super().to_internal_value(data)

    def refusal(self) -> DomainError:
        return self.error_if_missing() if self.error_if_missing and self.missing() else self.wrong_error()

    def wrong_error(self) -> DomainError:
        return errors.ParamsRefused(first_message(self.errors), status=self.wrong_status)


class Price(serializers.DecimalField):
    """A price in yuan: above 0, with at most two decimals."""

    in_form: ClassVar[dict[str, Any]] = {"type": "number", "minimum": 0.01, "maximum": float(MAX_PRICE)}
    default_error_messages = dict.fromkeys(
        ("invalid", "max_digits", "max_decimal_places", "max_whole_digits", "min_value", "max_string_length"),
        "必须是大于0、最多两位小数的数字",
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=10, decimal_places=2, min_value=Decimal("0.01"), **kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, (int, float, str)) or isinstance(data, bool) or "_" in str(data):
            self.fail("invalid")
        return super().to_internal_value(data)


# --- Categories ----------------------------------------------------------------------------------
class CategoryAddParams(ShopParams):
    error_if_missing = _refused("err 请传入categoryName")
    categoryName = PlainText(source="name", max_length=NAME_LENGTH, help_text="类目名称,不能与已有的重复")
    categoryImgurl = Picture("类目图片", source="image_url", required=False)


class CategoryUpdateParams(ShopParams):
    error_if_missing = _refused("缺少categoryName或者category_id")
    category_id = PlainText(max_length=64, help_text="要修改的类目 id")
    categoryName = PlainText(source="name", max_length=NAME_LENGTH, help_text="新的类目名称")
    categoryImgurl = Picture("类目图片", source="image_url", required=False, allow_blank=True)


class CategoryRemoveParams(ShopParams):
    error_if_missing = _refused("err 请传入category_id")
    category_id = PlainText(help_text="要删除的类目 id")
    force = YesNo(source="even_with_products", required=False, default=False, help_text="传 1 则类目下还有商品也删除")


# --- Products ------------------------------------------------------------------------------------
class ProductAddParams(ShopParams):
    error_if_missing = PRODUCT_INCOMPLETE
    wrong_status = 1005
    category_id = PlainText(help_text="所属类目的 id")
    productName = PlainText(source="name", max_length=NAME_LENGTH, help_text="商品名称")
    price = Price(help_text="价格,单位元,最多两位小数")
    description = PlainText(max_length=DESCRIPTION_LENGTH, help_text="商品描述")
    inventory = Between(0, MAX_STOCK, source="stock", help_text="库存件数")
    imageUrl = Picture("商品图片", source="image_url")

    def refusal(self) -> DomainError:
        return NO_CATEGORY() if "category_id" in self.missing() else super().refusal()


class ProductUpdateParams(ShopParams):
    error_if_missing = _refused("缺少product_id")
    wrong_status = 1005
    product_id = PlainText(help_text="要修改的商品 id")
    category_id = PlainText(required=False, help_text="改到哪个类目")
    productName = PlainText(source="name", required=False, max_length=NAME_LENGTH, help_text="新的商品名称")
    price = Price(required=False, help_text="新的价格,单位元,最多两位小数")
    description = PlainText(required=False, allow_blank=True, max_length=DESCRIPTION_LENGTH, help_text="新的商品描述")
    inventory = Between(0, MAX_STOCK, source="stock", required=False, help_text="此后可售的件数")
    imageUrl = Picture("商品图片", source="image_url", required=False, allow_blank=True)


class ProductListParams(PageParams):
    product_id = PlainText(required=False, default="", help_text="只看这一个商品")
    category_id = PlainText(required=False, default="", help_text="只看这个类目的商品")


class ProductRemoveParams(ShopParams):
    error_if_missing = _refused("err 请传入product_id")
    wrong_status = 1005
    product_id = PlainText(help_text="要删除的商品 id")


# --- Cart ----------------------------------------------------------------------------------------
_SAME_ID = {"cart_id": "product_id"}
_ID_LISTS = frozenset({"product_id", "cart_id"})


class CartParams(ShopParams):
    error_if_missing = _refused("缺少product_id或者缺少count")
    wrong_status = 10010
    aliases = {**_SAME_ID, "quantity": "count"}
    product_id = PlainText(help_text="商品 id")
    count = PositiveInt(source="quantity", help_text="件数")

    def refusal(self) -> DomainError:
        # The text for a bad product_id names it; a bad count has a documented text.
        return super().refusal() if self.missing() or "product_id" in self.errors else errors.CartCountInvalid()


class CartUpdateParams(CartParams):
    def to_internal_value(self, data: Any) -> Any:
        # Rows of the cart have both names, and a client that posts its row back has changed one of them.
        both = [data, {**data, "count": data["quantity"]} if "quantity" in data else data]
        values = [super(CartUpdateParams, self).to_internal_value(one) for one in both]
        return {"product_id": values[0]["product_id"], "quantities": [one["quantity"] for one in values]}


_ONE_ID = {"oneOf": [{"type": "string"}, {"type": "integer"}]}


class ProductIds(IdList):
    default_error_messages = {"invalid": "必须是以逗号隔开的商品id"}
    in_json = {"oneOf": [_ONE_ID, {"type": "array", "items": _ONE_ID}]}


class CartCheckParams(ShopParams):
    error_if_missing = _refused("请检查是否传递了product_id")
    aliases, lists = _SAME_ID, _ID_LISTS
    product_id = ProductIds(source="product_ids", help_text="要选中的商品 id,多个用逗号隔开")


class CartRemoveParams(ShopParams):
    error_if_missing = _refused("err 请传入product_id")
    wrong_status = 1005
    aliases, lists = _SAME_ID, _ID_LISTS
    product_id = ProductIds(source="product_ids", help_text="要删除的商品 id,多个用逗号隔开")


# --- Orders --------------------------------------------------------------------------------------
class PreOrderParams(ShopParams):
    wrong_status = 10010
    aliases = {"count": "quantity"}
    product_id = PlainText(required=False, default="", help_text="直接购买的商品 id;不传则购买购物车中选中的")
    quantity = PositiveInt(required=False, default=1, help_text="直接购买的件数")
    phone = PlainText(required=False, default="", max_length=PHONE_LENGTH, help_text="收货电话")
    address = PlainText(required=False, default="", max_length=ADDRESS_LENGTH, help_text="收货地址")
    recipient = PlainText(required=False, default="", max_length=RECIPIENT_LENGTH, help_text="收件人姓名")

    def refusal(self) -> DomainError:
        return errors.QuantityInvalid() if "quantity" in self.errors else super().refusal()


class OrderListParams(PageParams):
    order_id = PlainText(required=False, default="", help_text="只看这一个订单;不传则给出自己的所有订单")


class OrderIdParams(ShopParams):
    error_if_missing = _refused("没有传入order_id")
    order_id = PlainText(help_text="订单号")


class OrderPollParams(OrderIdParams):
    error_if_missing = _refused("err 没有传入order_id")


class ShipParams(OrderIdParams):
    action = WholeNumber(
        error_messages=dict.fromkeys(("required", "invalid", "max_string_length"), "必须是0、1、2、3之一"),
        help_text="0未发货 1已发货 2已收货 3备货中",
    )

    def refusal(self) -> DomainError:
        return super().refusal() if "order_id" in self.missing() else self.wrong_error()


class TrackingNumber(PlainText):
    default_error_messages = dict.fromkeys(("number", "max_length"), f"只能有字母、数字和横线,最多{TRACKING_LENGTH}位")

    def to_internal_value(self, data: Any) -> str:
        number = parcel_number(super().to_internal_value(data))
        if number is None:
            self.fail("number")
        return number


class ReturnParams(OrderIdParams):
    reason = PlainText(required=False, default="", max_length=200, help_text="退货理由,后台会看到")
    tracking_no = TrackingNumber(
        required=False,
        default="",
        max_length=2 * TRACKING_LENGTH,
        help_text="寄回商品的快递单号;申请时还没有,寄出后带着它再调用一次",
    )


# --- Paying --------------------------------------------------------------------------------------
class TradeTypeText(PlainText):
    in_form = in_json = {"type": "string", "enum": TradeType.values}


class PaymentParams(ShopParams):
    error_if_missing, wrong_status = _refused("err 请传入order_id", 10010), 1003
    required_in_docs = ("appid", "mch_id")
    order_id = PlainText(help_text="要支付的订单号")
    appid = PlainText(required=False, default="", help_text="公众号、应用或小程序的 appid;传了就必须与服务器配置的相同")
    mch_id = PlainText(required=False, default="", help_text="商户号;传了就必须与服务器配置的相同")
    trade_type = TradeTypeText(
        required=False, default="NATIVE", help_text="支付方式: NATIVE 扫码、JSAPI 公众号与小程序、APP"
    )
    openid = PlainText(
        required=False,
        default="",
        max_length=128,
        help_text="付款人的 openid,JSAPI 必填;微信扫码或小程序登入的用户可以不传",
    )


class TransactionParams(Params):
    required_in_docs = ("mchid",)
    mchid = PlainText(required=False, default="", help_text="商户号;传了就必须与服务器配置的相同")
