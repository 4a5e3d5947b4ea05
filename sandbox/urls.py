"""The paths below /sandbox/, which exist only while ``settings.SANDBOX`` is on."""

from django.urls import path

from sandbox import control, pages, wechat
from sandbox.pay import v2, v3
from sandbox.phone import authorize, messages, mini_code, phone, sms
from sandbox.sms import send_sms
from sandbox.weather.provider import tianqi

app_name = "sandbox"

_ORDER = "wxpay/v3/pay/transactions/out-trade-no/<str:out_trade_no>"
_REFUNDS = "wxpay/v3/refund/domestic/refunds"

urlpatterns = [
    path("", pages.index, name="index"),
    path("calls/", pages.calls, name="calls"),
    path("control/faults", control.faults),
    path("control/pay", control.pay),
    path("control/deliver", control.deliver),
    path("control/trades", control.trades),
    path("control/calls", control.call_switches),
    path("pay/", pages.find, name="find"),
    path("pay/<str:token>/", pages.pay, name="pay"),
    # The paths of https://api.mch.weixin.qq.com that our side calls. It places orders by v2 and does all else by v3;
    # the doctor queries by v2, too.
    path("wxpay/pay/unifiedorder", v2.unifiedorder),
    path("wxpay/pay/orderquery", v2.orderquery),
    path(_ORDER, v3.order_by_number),
    path(f"{_ORDER}/close", v3.order_close),
    path(_REFUNDS, v3.refund_apply),
    path(f"{_REFUNDS}/<str:out_refund_no>", v3.refund_query),
    path("wxpay/v3/bill/tradebill", v3.bill_ask),
    path("wxpay/v3/billdownload/file", v3.bill_download),
    path("oauth/connect/oauth2/authorize", authorize, name="authorize"),
    path("wxapi/sns/oauth2/access_token", wechat.access_token),
    path("wxapi/sns/userinfo", wechat.userinfo),
    path("wxapi/sns/jscode2session", wechat.jscode2session),
    path("mini/code", mini_code),
    path("phone/", phone, name="phone"),
    path("aliyun-sms/", send_sms),
    path("sms/", sms, name="sms"),
    path("sms/messages/", messages),
    path("tianqi/api", tianqi),
]
