"""Every refusal of the shop: one class for each documented answer."""

from core.errors import DomainError
from shop.order_states import Note


class ShopError(DomainError):
    """Base of all refusals of this app."""


class RecordUnknown(ShopError):
    """There is no such record, or it is another user's; the answer does not say which."""

    status, msg = 1004, "err 该数据不存在"


class ParamsRefused(ShopError):
    """A parameter is missing or wrong; each call has its own numbers, and a text for what is missing."""

    status = 1004


# --- Categories ---
class CategoryExists(ShopError):
    status, msg = 1004, "已经存在该类目,请不要重复添加"


class CategoryInUse(ShopError):
    status, msg = 1004, "该类目下还有商品,不能删除,确定删除请传入force=1"


# --- Products ---
class ProductCategoryUnknown(ShopError):
    status, msg = 1005, "category_id不存在"


class ProductInvalid(ShopError):
    """A price, an inventory or a text is wrong; ``msg`` names the parameter."""

    status = 1005


# --- Cart ---
class CartCountInvalid(ShopError):
    status, msg = 10010, "err 传递的count必须是正整数"


class CartProductGone(ShopError):
    status, msg = 10020, "err 添加购物车失败 商品已下架或者不存在"
    remedy = "刷新商品列表"


class CartStockShort(ShopError):
    status, msg = 10010, "err 商品库存不足"
    remedy = "减少数量"


class CheckMatchesNothing(ShopError):
    status, msg = 10010, "没有选中任何商品,请检查product_id是否传递错误"


# --- Orders ---
class VipLevelTooLow(ShopError):
    status, msg = 10004, "不能充值低等级的vip"


class VipTooLong(ShopError):
    status, msg = 10010, "vip最长10年,请减少数量"
    remedy = "减少数量"


class TooManyOpenOrders(ShopError):
    """The buyer has as many unpaid orders as are allowed."""

    status = 10010
    remedy = "先支付或取消已有的订单"

    def __init__(self, limit: int) -> None:
        super().__init__(f"未支付的订单最多{limit}个,请先支付或取消")


class OrdersPaused(ShopError):
    """Too many of the buyer's orders ended unpaid within an hour; each of them held stock."""

    status = 10010
    remedy = "稍后再下单"

    def __init__(self, number: int, minutes: int) -> None:
        super().__init__(f"一小时内有{number}个订单超时未支付或取消,请{minutes}分钟后再下单")


class OrdersTooFast(ShopError):
    """The buyer has placed as many orders within a minute as are allowed."""

    status = 10010
    remedy = "稍后再下单"

    def __init__(self, limit: int) -> None:
        super().__init__(f"一分钟最多下{limit}个订单,请稍后再下单")


class NothingSelected(ShopError):
    status, msg = 10010, "未选中商品"
    remedy = "先选中购物车里的商品"


class QuantityInvalid(ShopError):
    status, msg = 10010, "err 传递的quantity必须是数字"


class StockShortage(ShopError):
    """The stock holds fewer pieces than were ordered. Nothing was taken."""

    status = 10010
    remedy = "减少数量"

    def __init__(self, title: str) -> None:
        super().__init__(f"{title}库存不足")


class ProductGone(ShopError):
    status, msg = 10020, "err商品已下架或者不存在"
    remedy = "刷新商品列表"


class OrderTooLarge(ShopError):
    """The total is more than one payment may be."""

    status, msg = 10010, "订单金额过大,请分多次下单"


class OrderRefused(ShopError):
    """The order's state does not allow the step; ``msg`` says why."""

    status = 1004


class CorrectedMeanwhile(OrderRefused):
    """A colleague has corrected the same fields since the page was made; ``note`` is that of the log's entry."""

    def __init__(self, msg: str, note: Note) -> None:
        super().__init__(msg)
        self.note = note


class VipInUse(OrderRefused):
    """VIP time of an unshipped order has begun to run, so its buyer cannot have all the money back at once."""

    msg = "订单里的VIP时长已经开始使用,退货申请已转给商家处理"


class ProviderUndecided(OrderRefused):
    """WeChat Pay has not said whether the order is paid. The stock stays taken until the sweep knows."""

    msg = "微信支付暂时没有响应,确认未付款后订单会自动关闭,请稍后查看"


# --- Paying ---
class PayOrderUnknown(ShopError):
    status, msg = 1003, "err 订单不存在"


class PayOrderPaid(ShopError):
    status, msg = 1001, "err 订单已经支付"
    remedy = "不用再付:查询订单"


class PayOrderCancelled(ShopError):
    status, msg = 1002, "err 订单已取消"
    remedy = "重新下单"


class PayOrderClosed(ShopError):
    status, msg = 1004, "err 订单已经关闭"
    remedy = "重新下单"


# --- Polling ---
class OrderCancelled(ShopError):
    status, msg = 3002, "订单已取消"
    remedy = "重新下单"


class OrderInvalid(ShopError):
    status, msg = 3003, "无效订单"
    remedy = "重新下单"


class OrderClosed(ShopError):
    status, msg = 3004, "交易关闭"
    remedy = "重新下单"


class OrderUnpaid(ShopError):
    status, msg = 3005, "尚未支付"
    remedy = "继续轮询"
