"""The documented table, and the names by which the provider calls the same facts."""

import pytest

from payments.errors import WeChatRefused
from payments.wechat_codes import WECHAT_CODES, documented_code

# The table as the user wrote it.
TABLE = """
202 USERPAYING 用户支付中，需要输入密码
403 TRADE_ERROR 交易错误
500 SYSTEMERROR 系统错误
401 SIGN_ERROR 签名错误
403 RULELIMIT 业务规则限制
400 PARAM_ERROR 参数错误
403 OUT_TRADE_NO_USED 商户订单号重复
404 ORDERNOTEXIST 订单不存在
400 ORDER_CLOSED 订单已关闭
500 OPENID_MISMATCH openid和appid不匹配
403 NOTENOUGH 余额不足
403 NOAUTH 商户无权限
400 MCH_NOT_EXISTS 商户号不存在
500 INVALID_TRANSACTIONID 订单号非法
400 INVALID_REQUEST 无效请求
429 FREQUENCY_LIMITED 频率超限
500 BANKERROR 银行系统异常
400 APPID_MCHID_NOT_MATCH appid和mch_id不匹配
403 ACCOUNTERROR 账号异常
"""


def test_every_row_of_the_table_is_answered():
    lines = TABLE.strip().splitlines()
    assert len(lines) == len(WECHAT_CODES)
    for status, code, msg in (line.split(" ", 2) for line in lines):
        error = WeChatRefused(code)
        assert (error.status, error.code, error.msg, error.http_status) == (int(status), code, msg, 200)
        assert error.body()["solution"] == WECHAT_CODES[code].solution and documented_code(code) == code


@pytest.mark.parametrize(("name", "http_status", "code"), [
    ("ORDER_NOT_EXIST", 404, "ORDERNOTEXIST"), ("SYSTEM_ERROR", 500, "SYSTEMERROR"), ("RULE_LIMIT", 403, "RULELIMIT"),
    ("SIGNERROR", 401, "SIGN_ERROR"), ("ORDERCLOSED", 400, "ORDER_CLOSED"), ("LACK_PARAMS", 0, "PARAM_ERROR"),
    ("RATELIMIT_EXCEEDED", 429, "FREQUENCY_LIMITED"), ("RESOURCE_NOT_EXISTS", 404, "ORDERNOTEXIST"),
    ("NEVER_HEARD_OF", 429, "FREQUENCY_LIMITED"), ("NEVER_HEARD_OF", 401, "SIGN_ERROR"),
    ("NEVER_HEARD_OF", 404, "ORDERNOTEXIST"), ("NEVER_HEARD_OF", 503, "SYSTEMERROR"), ("", 0, "SYSTEMERROR"),
])  # fmt: skip
def test_other_spellings_mean_the_same(name, http_status, code):
    assert documented_code(name, http_status) == code
