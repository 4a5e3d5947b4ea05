"""What the doctor says of a merchant's values, before money says it."""

import pytest

from payments.doctor import wechat_pay


def found():
    return [(finding.ok, finding.what) for finding in wechat_pay()]


def test_good_values_are_in_order(wechat, settings):
    settings.SANDBOX, settings.PUBLIC_BASE_URL = False, "https://api.example.com"

    assert [ok for ok, _ in found()] == [True, True, True]
    assert wechat.orders == {}


@pytest.mark.parametrize(
    ("name", "value", "row", "says"),
    [
        ("WECHAT_PAY_API_KEY", "x" * 32, 0, "SIGN_ERROR"),
        ("WECHAT_PAY_API_KEY", "", 0, "WECHAT_PAY_API_KEY"),
        ("WECHAT_PAY_CERT_SERIAL", "0000", 1, "SIGN_ERROR"),
        ("WECHAT_PAY_PUBLIC_KEY_ID", "PUB_KEY_ID_OTHER", 1, "GatewayUntrusted"),
        ("WECHAT_PAY_V3_KEY", "", 1, "not configured"),
        ("PUBLIC_BASE_URL", "http://127.0.0.1:8000", 2, "pay/payResult"),
    ],
)
def test_a_bad_value_is_named(wechat, settings, name, value, row, says):
    settings.SANDBOX, settings.PUBLIC_BASE_URL = False, "https://api.example.com"
    setattr(settings, name, value)

    rows = found()

    assert rows[row][0] is False and says in rows[row][1]
