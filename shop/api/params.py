"""The shape of each call's parameters, and the documented refusal for each way to get it wrong."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.params import PageParams, Params, PlainText, PositiveInt
from core.errors import DomainError
from shop import errors
from shop.models.catalogue import MAX_STOCK, NAME_LENGTH

MAX_PRICE = Decimal("99999999.99")
DESCRIPTION_LENGTH = 5000


class ShopParams(Params):
    """``aliases`` maps another name of a parameter to ours; ``missing_error`` is for one that is not there."""

    aliases: Mapping[str, str] = {}
    missing_error: type[DomainError] | None = None

    def to_internal_value(self, data: Any) -> Any:
        for alias, name in self.aliases.items():
            if alias in data and name not in data:
                data = {**data, name: data[alias]}
        return super().to_internal_value(data)

    def refusal(self) -> DomainError:
        if self.missing_error and self.missing():
            return self.missing_error()
        return super().refusal()


class YesNo(serializers.BooleanField):
    default_error_messages = {"invalid": "必须是0或1"}


class Price(serializers.DecimalField):
    """Yuan: above 0, at most two decimals."""

    default_error_messages = dict.fromkeys(
        ("invalid", "max_digits", "max_decimal_places", "max_whole_digits", "min_value", "max_string_length"),
        "必须是大于0、最多两位小数的数字",
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=10, decimal_places=2, min_value=Decimal("0.01"), **kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, (int, float, str)) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class Inventory(serializers.IntegerField):
    default_error_messages = dict.fromkeys(
        ("invalid", "min_value", "max_value", "max_string_length"), f"必须是0到{MAX_STOCK}的整数"
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=MAX_STOCK, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


# --- Categories ----------------------------------------------------------------------------------
class CategoryAddParams(ShopParams):
    error, missing_error = errors.CategoryInvalid, errors.CategoryNameMissing
    categoryName = PlainText(max_length=NAME_LENGTH)


class CategoryUpdateParams(ShopParams):
    error, missing_error = errors.CategoryInvalid, errors.CategoryParamsMissing
    category_id = PlainText(max_length=64)
    categoryName = PlainText(max_length=NAME_LENGTH)


class CategoryRemoveParams(ShopParams):
    error, missing_error = errors.CategoryInvalid, errors.CategoryIdMissing
    category_id = PlainText()
    force = YesNo(required=False, default=False)


# --- Products ------------------------------------------------------------------------------------
class ProductAddParams(ShopParams):
    error, missing_error = errors.ProductInvalid, errors.ProductParamsMissing
    category_id = PlainText()
    productName = PlainText(max_length=NAME_LENGTH)
    price = Price()
    description = PlainText(max_length=DESCRIPTION_LENGTH)
    inventory = Inventory()

    def refusal(self) -> DomainError:
        return errors.ProductCategoryMissing() if "category_id" in self.missing() else super().refusal()


class ProductUpdateParams(ShopParams):
    error, missing_error = errors.ProductInvalid, errors.ProductIdMissing
    product_id = PlainText()
    category_id = PlainText(required=False)
    productName = PlainText(required=False, max_length=NAME_LENGTH)
    price = Price(required=False)
    description = PlainText(required=False, max_length=DESCRIPTION_LENGTH)
    inventory = Inventory(required=False)


class ProductListParams(PageParams):
    product_id = PlainText(required=False, default="")
    category_id = PlainText(required=False, default="")


class ProductRemoveParams(ShopParams):
    error, missing_error = errors.ProductInvalid, errors.ProductIdNotGiven
    product_id = PlainText()


# --- Cart ----------------------------------------------------------------------------------------
_SAME_ID = {"cart_id": "product_id"}


class CartParams(ShopParams):
    error, missing_error = errors.CartCountInvalid, errors.CartParamsMissing
    aliases = {**_SAME_ID, "quantity": "count"}
    product_id = PlainText()
    count = PositiveInt()

    def refusal(self) -> DomainError:
        return errors.CartParamsMissing() if self.missing() else errors.CartCountInvalid()


@extend_schema_field(str)
class ProductIds(serializers.Field):
    """Ids with commas between them, as one text; a list is understood too."""

    default_error_messages = {"invalid": "必须是以逗号隔开的商品id"}

    def to_internal_value(self, data: Any) -> list[str]:
        texts = data if isinstance(data, list) else [data]
        if any(isinstance(text, bool) or not isinstance(text, (str, int)) for text in texts):
            self.fail("invalid")
        ids = [part.strip() for text in texts for part in str(text).replace("，", ",").split(",")]
        return [part for part in ids if part]


class CartCheckParams(ShopParams):
    error, missing_error = errors.CheckParamsMissing, errors.CheckParamsMissing
    aliases = _SAME_ID
    product_id = ProductIds()


class CartRemoveParams(ShopParams):
    error, missing_error = errors.ProductInvalid, errors.ProductIdNotGiven
    aliases = _SAME_ID
    product_id = ProductIds()


# --- Orders --------------------------------------------------------------------------------------
class PreOrderParams(ShopParams):
    error = errors.OrderParamInvalid
    aliases = {"count": "quantity"}
    product_id = PlainText(required=False, default="")
    quantity = PositiveInt(required=False, default=1)
    phone = PlainText(required=False, default="", max_length=32)
    address = PlainText(required=False, default="", max_length=200)

    def refusal(self) -> DomainError:
        return errors.QuantityInvalid() if "quantity" in self.errors else super().refusal()


class OrderListParams(PageParams):
    order_id = PlainText(required=False, default="")


class OrderIdParams(ShopParams):
    error: type[DomainError] = errors.OrderRefused
    missing_error: type[DomainError] | None = errors.OrderIdMissing
    order_id = PlainText()


class OrderPollParams(OrderIdParams):
    missing_error = errors.OrderIdNotGiven


class ShipParams(OrderIdParams):
    action = serializers.IntegerField(error_messages={"required": "缺少action", "invalid": "必须是0、1、2、3之一"})

    def refusal(self) -> DomainError:
        return errors.OrderIdMissing() if "order_id" in self.missing() else Params.refusal(self)


class ReturnParams(OrderIdParams):
    reason = PlainText(required=False, default="", max_length=200)


# --- Paying --------------------------------------------------------------------------------------
class PaymentParams(ShopParams):
    error, missing_error = errors.PayOrderUnknown, errors.PayOrderIdMissing
    order_id = PlainText()
    appid = PlainText(required=False, default="")
    mch_id = PlainText(required=False, default="")
    trade_type = PlainText(required=False, default="NATIVE")
    openid = PlainText(required=False, default="")


class TransactionParams(ShopParams):
    mchid = PlainText(required=False, default="")
