"""What ``/docs/`` shows of the shop's calls. The category in the samples is the one of the API document."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NotRequired, TypedDict

from django.conf import settings

from accounts.errors import CeilingReached
from accounts.models import User
from core.api.endpoint import Doc, Failure
from core.api.params import PageParams
from core.errors import BadParameter, NothingChanged, RowUnknown, Throttled
from core.times import SHANGHAI, span
from payments.errors import (
    NO_REFUNDS,
    PaymentNotConfigured,
    ProviderBusy,
    ProviderDown,
    ProviderTimeout,
    RefundNotPossible,
    WeChatRefused,
)
from shop import errors
from shop.api import params
from shop.api.rows import (
    CartRowJson,
    CategoryJson,
    OrderJson,
    ProductJson,
    cart_row,
    category_row,
    order_row,
    order_status,
    product_row,
)
from shop.models import CartItem, Category, Order, OrderLine, Product
from shop.order_states import Event, State, refusal
from uploads.errors import NO_PICTURE_TAKEN

_ORDER_ID = "20201231103338122jnvk4na61h3x7"
_PRODUCT_ID = "20210104101500123"
_CATEGORY_ID = "20201231125959413"
_PICTURE = "http://127.0.0.1:8000/media/2026/11/0123456789abcdef0123456789abcdef.png"
_AT = datetime(2021, 1, 4, 10, 15, tzinfo=SHANGHAI)
_BUYER = User(username="lbw", unid="5f0b6c1de1e75b0ea034cf83a1b2c3d4", nickname="五五开")
_CAR = Category(pk=1, category_id=_CATEGORY_ID, name="车辆", creator="lbw", created_at=_AT)
_BIKE = Product(
    pk=2,
    product_id=_PRODUCT_ID,
    category=_CAR,
    name="折叠自行车",
    price=Decimal("899.50"),
    description="16寸,可折叠",
    stock=100,
    image_url=_PICTURE,
    creator="lbw",
    created_at=_AT,
)
_IN_CART = CartItem(pk=3, product=_BIKE, quantity=2, is_checked=True, created_at=_AT)
_ORDERED = Order(
    pk=4,
    order_id=_ORDER_ID,
    user=_BUYER,
    username=_BUYER.username,
    total=Decimal("1799.00"),
    order_status=1,
    pay_status=0,
    shiping_status=0,
    phone="13800000000",
    address="南京市",
    recipient="王小明",
    created_at=_AT,
    expires_at=_AT + timedelta(minutes=2),
)
_LINE = OrderLine(
    pk=5,
    product_code=_PRODUCT_ID,
    title=_BIKE.name,
    price=_BIKE.price,
    quantity=2,
    description=_BIKE.description,
    image_url=_PICTURE,
)


def _doc(
    kind: type[params.ShopParams],
    msg: str,
    failures: list[Failure],
    *,
    fields: dict[str, Any] | None = None,
    **more: Any,
) -> Doc:
    """Document a call: its success, and its refusals but those of bad parameters."""
    return Doc(params=kind, ok={"msg": msg, **(fields or {})}, failures=failures, **more)


def _no_picture(name: str) -> list[Failure]:
    return [BadParameter(f"{name}: 不是图片地址"), *NO_PICTURE_TAKEN, Throttled(30)]


# --- Categories ----------------------------------------------------------------------------------
_CATEGORY_PICTURE = _no_picture("categoryImgurl")
CATEGORY_ADD = _doc(
    params.CategoryAddParams,
    "添加成功",
    [errors.CategoryExists, *_CATEGORY_PICTURE, CeilingReached("练习账号最多100个类目,请先删除一些")],
    fields={"category_id": _CATEGORY_ID},
    send={"categoryName": "车辆"},
)
CATEGORY_REMOVE = _doc(
    params.CategoryRemoveParams,
    "删除成功",
    [errors.RecordUnknown, errors.CategoryInUse],
    about="类目下还有商品时拒绝删除,除非传递 `force=1`;商品会保留原来的 `category_id`。",
)
CATEGORY_UPDATE = _doc(
    params.CategoryUpdateParams,
    "修改成功",
    [RowUnknown, NothingChanged, errors.CategoryExists, *_CATEGORY_PICTURE],
    send={"category_id": _CATEGORY_ID, "categoryName": "汽车"},
    about=params.CategoryUpdateParams.blanks_text(),
)
CATEGORY_LIST = Doc(
    params=PageParams,
    ok={"msg": "获取成功", "total": 1, "data": [category_row(_CAR)]},
    records={"data": list[CategoryJson]},
)

# --- Products ------------------------------------------------------------------------------------
_PRODUCT: dict[str, Any] = {**product_row(_BIKE)}
_EDITABLE = ("category_id", "productName", "price", "description", "inventory", "imageUrl")
_PRODUCT_PICTURE = _no_picture("imageUrl")
_NO_PRICE = errors.ProductInvalid("price: 必须是大于0、最多两位小数的数字")
PRODUCT_ADD = _doc(
    params.ProductAddParams,
    "添加成功",
    [
        *(params.NO_CATEGORY(), errors.ProductCategoryUnknown, _NO_PRICE),
        *(*_PRODUCT_PICTURE, CeilingReached("练习账号最多100件商品,请先删除一些")),
    ],
    fields={"product_id": _PRODUCT_ID},
    send={name: _PRODUCT[name] for name in _EDITABLE},
)
PRODUCT_UPDATE = _doc(
    params.ProductUpdateParams,
    "修改成功",
    [RowUnknown, NothingChanged, errors.ProductCategoryUnknown, *_PRODUCT_PICTURE],
    send={"product_id": _PRODUCT_ID, "price": 799},
    about="按 `product_id` 查找,只修改传递的字段;`inventory` 设定此后可售的数量。"
    + params.ProductUpdateParams.blanks_text(),
)
PRODUCT_LIST = Doc(
    params=params.ProductListParams,
    send={"page": 1, "count": 5},
    ok={"msg": "获取成功", "total": 1, "data": [_PRODUCT]},
    records={"data": list[ProductJson]},
)
PRODUCT_REMOVE = _doc(params.ProductRemoveParams, "删除成功", [errors.RecordUnknown], about="已有的订单不受影响。")

# --- Cart ----------------------------------------------------------------------------------------
_CART_CHANGE = {"product_id": _PRODUCT_ID, "count": 2}
CART_LIST = Doc(
    params=PageParams,
    ok={"msg": "获取成功", "total": 1, "data": [cart_row(_IN_CART, _BUYER.unid)]},
    records={"data": list[CartRowJson]},
)
CART_ADD = _doc(
    params.CartParams,
    "添加成功",
    [errors.CartCountInvalid, errors.CartProductGone, errors.CartStockShort],
    send=_CART_CHANGE,
    about="购物车中已有该商品时数量相加。`count` 也可以写作 `quantity`,`product_id` 也可以写作 `cart_id`。",
)
CART_UPDATE = _doc(
    params.CartParams,
    "修改成功",
    [errors.CartCountInvalid, RowUnknown, NothingChanged, errors.CartStockShort],
    send=_CART_CHANGE,
)
CART_CHECK = _doc(
    params.CartCheckParams,
    "选中成功",
    [errors.CheckMatchesNothing],
    send={"product_id": f"{_PRODUCT_ID},20210104101501456"},
    about="恰好选中传递的商品,多个 id 以逗号隔开;其余的取消选中。",
)
CART_REMOVE = _doc(params.CartRemoveParams, "删除成功", [errors.RecordUnknown])

# --- Orders --------------------------------------------------------------------------------------
_ORDER: dict[str, Any] = {**order_row(_ORDERED, [_LINE], _AT), "expire_time": None}  # also null, once it is paid
PRE_ORDER = _doc(
    params.PreOrderParams,
    "订单提交成功",
    [
        errors.NothingSelected,
        errors.QuantityInvalid,
        errors.StockShortage("折叠自行车"),
        errors.ProductGone,
        errors.OrderTooLarge,
        errors.VipLevelTooLow,
        errors.VipTooLong,
        errors.TooManyOpenOrders(settings.ORDERS_OPEN_MAX),
        errors.OrdersPaused(settings.ORDERS_EXPIRED_MAX, 10),
        errors.OrdersTooFast(settings.ORDERS_MINUTE_MAX),
    ],
    fields={"order_id": _ORDER_ID},
    send={"product_id": _PRODUCT_ID, "quantity": 2, "phone": "13800000000", "address": "南京市", "recipient": "王小明"},
    about="传 `product_id` 直接购买;不传则购买购物车中选中的商品。库存立即占用,一种不足则全部不下单。"
    f"超过 {span(settings.ORDER_TTL)}未付款的订单自动关闭。",
)
GET_ORDER = Doc(
    params=params.OrderListParams,
    names=["", "List"],
    ok=[{"msg": "订单获取成功", "data": _ORDER}, {"msg": "订单获取成功", "total": 1, "data": [_ORDER]}],
    records={"data": OrderJson | list[OrderJson]},
    failures=[errors.RecordUnknown],
    about="传 `order_id` 得到一个对象,不传得到自己的所有订单,新的在前。\n\n"
    "`order_status`:0未提交 1提交成功 2已经取消 3无效订单 4交易关闭 5退货;`pay_status`:0未支付 1已支付;"
    "`shiping_status`:0未发货 1已发货 2已收货 3备货中。",
)
_POLLED: dict[str, Any] = {"order_id": _ORDER_ID, **order_status(_ORDERED, _AT)}
POLL = _doc(
    params.OrderPollParams,
    "支付成功",
    [
        errors.RecordUnknown,
        errors.OrderUnpaid(**_POLLED),
        errors.OrderCancelled,
        errors.OrderInvalid,
        errors.OrderClosed,
    ],
    fields=_POLLED | {"pay_status": 1, "state_text": "待发货"},
    about="可以轮询;没有收到微信通知时,每个订单最多 5 秒向微信查询一次。",
)
DEL_ORDER = _doc(
    params.OrderIdParams,
    "删除成功",
    [errors.RecordUnknown, errors.OrderRefused(refusal(State.PAID, Event.HIDE)), errors.ProviderUndecided],
    about="只对买家隐藏已关闭或已完成的订单,记录保留;未付款的订单先取消再隐藏。",
)
CANCEL = _doc(
    params.OrderIdParams,
    "取消成功",
    [errors.RecordUnknown, errors.OrderRefused(refusal(State.PAID, Event.CANCEL)), errors.ProviderUndecided],
)
SHIP = _doc(
    params.ShipParams,
    "修改成功",
    [errors.RecordUnknown, errors.OrderRefused(refusal(State.OPEN, Event.SHIP))],
    about="需要角色有此接口的权限;数据权限不是“全部”的只能处理自己的订单,别人的回答同不存在的。"
    "买家本人没有此权限也能对已发货的订单传 `action=2`(确认收货)。",
)
RETURNS = _doc(
    params.ReturnParams,
    "退货申请成功",
    [
        errors.RecordUnknown,
        errors.OrderRefused(refusal(State.OPEN, Event.ASK_RETURN)),
        errors.VipInUse,
        RefundNotPossible(NO_REFUNDS),
    ],
    send={"order_id": _ORDER_ID, "reason": "尺寸不合适", "tracking_no": "SF1234567890123"},
    about="未发货的订单立即申请原路退款;已发货的由后台处理:同意后寄回商品,收到后退款;含有已开始使用的VIP时长的也由后台处理。"
    "退货正在处理时,带 `tracking_no` 再调用一次就是填写或更正寄回单号。"
    "商户没有配好退款(微信支付 v3)时不受理。",
)

# --- Paying --------------------------------------------------------------------------------------
_SIGNED = {
    "appId": "wxed58e834201d0894",
    "timeStamp": "1609727000",
    "nonceStr": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
    "package": "prepay_id=wx301847582783578da0cb5e1a6f24890000",
    "signType": "MD5",
    "paySign": "9A0A8659F005D6984697E2CA0A9CF3B7",
}
_PREPAY = "wx301847582783578da0cb5e1a6f24890000"
_SIGNED_FOR_APP = {
    "appid": _SIGNED["appId"],
    "partnerid": "1568650321",
    "prepayid": _PREPAY,
    "package": "Sign=WXPay",
    "noncestr": _SIGNED["nonceStr"],
    "timestamp": _SIGNED["timeStamp"],
    "sign": _SIGNED["paySign"],
}
_PROVIDER_FAILS = (ProviderDown, ProviderTimeout, ProviderBusy, PaymentNotConfigured)
PAYMENT = Doc(
    params=params.PaymentParams,
    send={"appid": _SIGNED["appId"], "mch_id": 1568650321, "order_id": _ORDER_ID},
    names=["Native", "Jsapi", "App"],
    ok=[
        {
            "msg": "OK",
            "prepay_id": _PREPAY,
            "trade_type": "NATIVE",
            "code_url": "weixin://wxpay/bizpayurl?pr=hPUTMw4zz",
        },
        {"msg": "OK", "prepay_id": _PREPAY, "trade_type": "JSAPI", **_SIGNED},
        {"msg": "OK", "prepay_id": _PREPAY, "trade_type": "APP", **_SIGNED_FOR_APP},
    ],
    told_by="trade_type",
    failures=[
        errors.PayOrderUnknown,
        errors.PayOrderPaid,
        errors.PayOrderCancelled,
        errors.PayOrderClosed,
        WeChatRefused("APPID_MCHID_NOT_MATCH"),
        WeChatRefused("PARAM_ERROR"),
        WeChatRefused("OUT_TRADE_NO_USED"),
        *_PROVIDER_FAILS,
    ],
    about="金额取自订单。对同一未付款订单重复调用得到同一个 `code_url`。"
    "`JSAPI` 还要付款人的 `openid`:微信扫码登入的用户可以不传,其他用户不传得到 `PARAM_ERROR`。"
    "沙箱中在 `/sandbox/pay/?code_url=…` 付款。",
)


class PayerJson(TypedDict):
    openid: str


class AmountJson(TypedDict, total=False):
    total: int
    payer_total: int
    currency: str
    payer_currency: str


TRANSACTION = Doc(
    params=params.TransactionParams,
    ok={
        "msg": "OK",
        "appid": "wxd678efh567hg6787",
        "mchid": "1230000109",
        "out_trade_no": _ORDER_ID,
        "trade_state": "NOTPAY",
        "trade_state_desc": "订单未支付",
    },
    # What WeChat Pay adds once the order is paid.
    records={
        **dict.fromkeys(("transaction_id", "trade_type", "bank_type", "attach", "success_time"), NotRequired[str]),
        "payer": NotRequired[PayerJson],
        "amount": NotRequired[AmountJson],
        "scene_info": NotRequired[dict[str, Any]],
        "promotion_detail": NotRequired[list[dict[str, Any]]],
    },
    failures=[
        WeChatRefused("ORDERNOTEXIST"),
        WeChatRefused("APPID_MCHID_NOT_MATCH"),
        *_PROVIDER_FAILS,
        Throttled(30),
    ],
    about="以商户密钥向微信支付 v3 查询,原样返回其答复;若已支付则同时更新订单。错误带文档中的 `code` 与 `solution`。",
)
