"""The strict provider as a process of its own, worked by lines on its standard input.

    python -m payments.tests.standin_process FOLDER

It writes a merchant's files into FOLDER and answers one line of JSON: the environment of that merchant. Then each
line ``pay NUMBER``, ``notify_v2 NUMBER URL``, ``notify_v3 NUMBER URL``, ``refund_v3 REFUND URL`` or ``show`` is
answered by one.
"""

import json
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from payments.tests.standin import API_KEY, APPID, KEY_ID, MCHID, MERCHANT_SERIAL, V3_KEY, Keys, WeChat


def environment(wechat: WeChat, folder: Path) -> dict[str, str]:
    private, public = wechat.keys.write(folder)
    return {
        "WECHAT_PAY_BASE_URL": wechat.url,
        "WECHAT_APP_ID": APPID,
        "WECHAT_PAY_MCH_ID": MCHID,
        "WECHAT_PAY_API_KEY": API_KEY,
        "WECHAT_PAY_V3_KEY": V3_KEY,
        "WECHAT_PAY_CERT_SERIAL": MERCHANT_SERIAL,
        "WECHAT_PAY_PRIVATE_KEY_FILE": private,
        "WECHAT_PAY_PUBLIC_KEY_ID": KEY_ID,
        "WECHAT_PAY_PUBLIC_KEY_FILE": public,
    }


def post(url: str, body: bytes, headers: dict[str, str]) -> dict:
    try:
        with urlopen(Request(url, body, headers), timeout=10) as answer:
            return {"status": answer.status, "body": answer.read().decode()}
    except HTTPError as error:
        return {"status": error.code, "body": error.read().decode()}


def obey(wechat: WeChat, line: str) -> object:
    word, *rest = line.split()
    match word:
        case "pay":
            return wechat.pay(rest[0])["transaction_id"]
        case "notify_v2":
            return post(rest[1], wechat.notice_v2(rest[0]), {"Content-Type": "text/xml"})
        case "notify_v3":
            body, headers = wechat.notice_v3(rest[0])
            return post(rest[1], body, headers | {"Content-Type": "application/json"})
        case "refund_v3":
            body, headers = wechat.refund_notice_v3(rest[0])
            return post(rest[1], body, headers | {"Content-Type": "application/json"})
    return {
        "orders": {number: order["state"] for number, order in wechat.orders.items()},
        "refunds": list(wechat.refunds),
        "calls": [name for name, _ in wechat.calls],
    }


def main() -> None:
    wechat = WeChat(Keys())
    print(json.dumps(environment(wechat, Path(sys.argv[1]))), flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(wechat, line)), flush=True)


if __name__ == "__main__":
    main()
