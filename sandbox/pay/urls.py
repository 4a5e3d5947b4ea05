"""The paths of https://api.mch.weixin.qq.com that our side calls, below /sandbox/wxpay/.

Our side places orders by v2 and does everything else by v3; without keys for v3 it queries and closes by v2 too.
"""

from django.urls import path, re_path

from sandbox.pay import v2, v3

_TRANSACTIONS = "v3/pay/transactions"

urlpatterns = [
    path("pay/unifiedorder", v2.unifiedorder),
    path("pay/orderquery", v2.orderquery),
    path("pay/closeorder", v2.closeorder),
    path(f"{_TRANSACTIONS}/out-trade-no/<str:out_trade_no>", v3.v3_endpoint(GET=v3.order_by_number)),
    path(f"{_TRANSACTIONS}/out-trade-no/<str:out_trade_no>/close", v3.v3_endpoint(POST=v3.order_close)),
    path("v3/refund/domestic/refunds", v3.v3_endpoint(POST=v3.refund_apply)),
    path("v3/refund/domestic/refunds/<str:out_refund_no>", v3.v3_endpoint(GET=v3.refund_query)),
    path(
        "v3/refund/domestic/refunds/<str:refund_id>/apply-abnormal-refund",
        v3.v3_endpoint(POST=v3.refund_divert_apply),
    ),
    path("v3/bill/tradebill", v3.v3_endpoint(GET=v3.bill_ask)),
    path("v3/billdownload/file", v3.bill_download),
    path("v3/certificates", v3.v3_endpoint(GET=v3.certificates)),
    re_path(r"^v3/", v3.v3_endpoint(GET=v3.unknown, POST=v3.unknown)),
]
