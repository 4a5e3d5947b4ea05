import pytest

from core.browsers import MAX_SHOWN, browser_name

WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = "Mozilla/5.0 (Linux; Android 14; V2301A) AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (WINDOWS, "Chrome 120 · Windows"),
        (f"{MAC} Version/17.1 Safari/605.1.15", "Safari 17 · macOS"),
        (f"{IPHONE} Version/17.1 Mobile/15E148 Safari/604.1", "Safari 17 · iPhone"),
        (f"{IPHONE} Mobile/15E148 MicroMessenger/8.0.44(0x18002c2f) NetType/WIFI", "微信 8 · iPhone"),
        (f"{ANDROID} Version/4.0 Chrome/114.0.5735.196 MQQBrowser/14.5 Mobile Safari/537.36", "QQ 浏览器 14 · Android"),
        (
            f"{ANDROID} Version/4.0 Chrome/116.0.0.0 Mobile Safari/537.36 XWEB/1160065 MMWEBSDK/20231202 MMWEBID/2308",
            "微信 · Android",  # as much of it as is kept
        ),
        ("", ""),
        ("x" * 500, "x" * MAX_SHOWN + "…"),
    ],
)
def test_names_browser_and_system(agent, name):
    assert browser_name(agent) == name
