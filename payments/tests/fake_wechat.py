"""A strict WeChat Pay for tests: its own code, its own server thread, real signatures both ways.

It shares nothing with ``payments.gateways``: what it checks must not be checked by itself.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

BEIJING = timezone(timedelta(hours=8))
APPID, MCHID = "wxed58e834201d0894", "1568650321"
MINI_APPID = "wx7c3e0a91d2b45f68"  # of the mini program, bound to the same merchant
API_KEY, V3_KEY = "k" * 16 + "0123456789abcdef", "v" * 16 + "fedcba9876543210"
ANSWER = {"return_code": "SUCCESS", "appid": APPID, "mch_id": MCHID, "nonce_str": "n"}
MERCHANT_SERIAL, KEY_ID = "5A5B5C5D5E5F", "PUB_KEY_ID_0115686503212025"


_ORDER, _REFUND = r"/v3/pay/transactions/out-trade-no/([^/?]+)", "/v3/refund/domestic/refunds"
OPERATIONS = (
    ("GET", _ORDER + r"\?mchid=(\d+)", "query"),
    ("POST", _ORDER + "/close", "close"),
    ("POST", _REFUND, "refund"),
    ("GET", _REFUND + r"/([^/?]+)", "refund_query"),
    ("GET", r"/v3/bill/tradebill\?bill_date=([0-9-]{10})&bill_type=ALL", "bill"),
    ("GET", r"/v3/billdownload/file\?token=(\w+)", "billdownload"),
    ("GET", "/v3/certificates", "certificates"),
)


def sign_v2(fields, kind="MD5", key=API_KEY):
    text = "&".join(f"{k}={fields[k]}" for k in sorted(fields) if k != "sign" and fields[k] != "") + f"&key={key}"
    if kind == "HMAC-SHA256":
        return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest().upper()
    return hashlib.md5(text.encode()).hexdigest().upper()


def to_xml(fields, root="xml"):
    return f"<{root}>" + "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in fields.items()) + f"</{root}>"


BILL_TITLES = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,"
    "商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
BILL_SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"


def bill_row(at, number, transaction_id, fen, refund_no="0", refund_id="0", refund_fen=0, refund_status=""):
    state, way = ("REFUND", "ORIGINAL") if refund_no != "0" else ("SUCCESS", "")
    return [
        *(f"{at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}", APPID, MCHID, "0", "", transaction_id, number, "oUpF8uMuAJO"),
        *("NATIVE", state, "OTHERS", "CNY", "0.00", "0.00", refund_id, refund_no, "0.00", "0.00", way, refund_status),
        *("可乐,大瓶 ,`x", "", "0.00000", "0.60%", fen, refund_fen, ""),
    ]


def _appid(order):
    return order.get("wanted", ANSWER)["appid"]  # an order that a test has put there was never placed


class Keys:
    """Key pairs of the merchant and of the provider, and the provider's certificate."""

    def __init__(self):
        self.merchant = rsa.generate_private_key(65537, 2048)
        self.platform = rsa.generate_private_key(65537, 2048)
        self.certificate = certificate(self.platform, 9)

    @property
    def serial(self):
        return f"{self.certificate.serial_number:X}"

    @property
    def certificate_pem(self):
        return self.certificate.public_bytes(Encoding.PEM)

    def write(self, folder, form=PrivateFormat.PKCS8):
        """Write the files a merchant has; answer (private key, provider's public key)."""
        private, public = folder / "apiclient_key.pem", folder / "pub_key.pem"
        private.write_bytes(self.merchant.private_bytes(Encoding.PEM, form, NoEncryption()))
        platform = self.platform.public_key()
        public.write_bytes(platform.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return str(private), str(public)


def certificate(key, days, serial=None):
    """Return a certificate of ``key`` that was good for ten days and ends in so many."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wechat")])
    end = datetime.now(UTC) + timedelta(days=days, hours=1)
    return (
        x509.CertificateBuilder(name, name, key.public_key(), serial or x509.random_serial_number())
        .not_valid_before(end - timedelta(days=10))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )


class WeChat:
    """The provider: orders, refunds, and switches for faults. ``url`` is where it listens."""

    def __init__(self, host="127.0.0.1"):
        self.keys = Keys()
        self.serving = 0
        self.lock = threading.Lock()
        self.reset()
        self.server = _Server((host, 0), type("Handler", (_Handler,), {"wechat": self}))
        self.url = f"http://{host}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def reset(self):
        while self.serving:  # a slow answer of the test before
            time.sleep(0.01)
        self.orders, self.refunds, self.calls, self.nonces = {}, {}, [], set()
        self.openids = {}  # of which app an openid is; an unknown one may pay by any
        self.faults = []  # taken in turn: (operation, fault, argument...)
        self.use_certificate = False
        self.refund_status = "PROCESSING"
        self.is_down = self.is_out_of_money = False  # answers nothing; has nothing to refund from
        self.bill_files, self.edit_bill = {}, lambda rows: rows
        self.count = 0

    def merchant(self, folder):
        """Return the settings of a merchant of this provider, in public-key mode; its files go into ``folder``."""
        private, public = self.keys.write(folder)
        return {
            "WECHAT_PAY_BASE_URL": self.url,
            "WECHAT_APP_ID": APPID,
            "WECHAT_MINI_APP_ID": MINI_APPID,
            "WECHAT_PAY_MCH_ID": MCHID,
            "WECHAT_PAY_API_KEY": API_KEY,
            "WECHAT_PAY_SIGN_TYPE": "MD5",
            "WECHAT_PAY_V3_KEY": V3_KEY,
            "WECHAT_PAY_CERT_SERIAL": MERCHANT_SERIAL,
            "WECHAT_PAY_PRIVATE_KEY_FILE": private,
            "WECHAT_PAY_PUBLIC_KEY_ID": KEY_ID,
            "WECHAT_PAY_PUBLIC_KEY_FILE": public,
        }

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def called(self, operation):
        return sum(1 for name, _ in self.calls if name == operation)

    def next_fault(self, operation):
        with self.lock:
            for fault in self.faults:
                if fault[0] == operation:
                    self.faults.remove(fault)
                    return fault[1:] or ("",)
        return ("",)

    # --- what a phone does ---
    def pay(self, number, *, fen=None, at=None):
        order = self.orders[number]
        order |= {
            "state": "SUCCESS",
            "transaction_id": f"42000{abs(hash(number)) % 10**18:018d}",
            "paid_fen": fen or order["total_fee"],
            "paid_at": at or datetime.now(BEIJING),
        }
        return order

    # --- what a bank does ---
    def refunds_turn_out(self, status):
        """Those to come, and those on their way."""
        self.refund_status = status
        for refund in self.refunds.values():
            if refund["status"] not in ("SUCCESS", "CLOSED"):
                refund["status"] = status

    # --- notifications ---
    def notice_v2(self, number, kind="MD5", key=API_KEY, **changes):
        order = self.orders[number]
        fields = {
            "return_code": "SUCCESS", "result_code": "SUCCESS", "appid": _appid(order), "mch_id": MCHID,
            "nonce_str": os.urandom(16).hex(), "openid": "oUpF8uMuAJO", "is_subscribe": "N", "trade_type": "NATIVE",
            "bank_type": "CMC", "total_fee": str(order["paid_fen"]), "fee_type": "CNY",
            "cash_fee": str(order["paid_fen"]), "transaction_id": order["transaction_id"], "out_trade_no": number,
            "time_end": f"{order['paid_at']:%Y%m%d%H%M%S}",
        } | changes  # fmt: skip
        fields = {k: v for k, v in fields.items() if v is not None}
        fields.setdefault("sign", sign_v2(fields, kind, key))
        return to_xml(fields).encode()

    def refund_notice_v2(self, out_refund_no, status="SUCCESS", key=API_KEY, **changes):
        refund = self.refunds[out_refund_no]
        inner = to_xml(
            {
                "out_refund_no": out_refund_no, "out_trade_no": refund["out_trade_no"], "refund_status": status,
                "refund_id": refund["refund_id"], "refund_fee": refund["amount"]["refund"],
                "total_fee": refund["amount"]["total"], "success_time": "2026-11-25 10:20:30",
            } | changes,
            "root",
        )  # fmt: skip
        padder = padding.PKCS7(128).padder()
        sealer = Cipher(algorithms.AES(hashlib.md5(key.encode()).hexdigest().encode()), modes.ECB()).encryptor()
        sealed = sealer.update(padder.update(inner.encode()) + padder.finalize()) + sealer.finalize()
        return to_xml(ANSWER | {"req_info": base64.b64encode(sealed).decode()}).encode()

    def transaction(self, number):
        order = self.orders[number]
        content = {
            "appid": _appid(order), "mchid": MCHID, "out_trade_no": number, "trade_state": order["state"],
            "trade_state_desc": "支付成功" if order["state"] == "SUCCESS" else "订单未支付", "attach": "",
            "promotion_detail": [],
        }  # fmt: skip
        if order["state"] in ("SUCCESS", "REFUND"):
            content |= {
                "transaction_id": order["transaction_id"], "trade_type": "NATIVE", "bank_type": "CMC",
                "success_time": order["paid_at"].isoformat(timespec="seconds"), "payer": {"openid": "oUpF8uMuAJO"},
                "amount": {"total": order["paid_fen"], "payer_total": order["paid_fen"], "currency": "CNY",
                           "payer_currency": "CNY"},
            }  # fmt: skip
        return content

    def notice_v3(self, number, **options):
        return self.seal("TRANSACTION.SUCCESS", self.transaction(number) | options.pop("changes", {}), **options)

    def refund_notice_v3(self, out_refund_no, status="SUCCESS", **options):
        refund = self.refunds[out_refund_no]
        content = {
            "mchid": MCHID, "out_trade_no": refund["out_trade_no"], "transaction_id": refund["transaction_id"],
            "out_refund_no": out_refund_no, "refund_id": refund["refund_id"], "refund_status": status,
            "success_time": "2026-11-25T10:20:30+08:00", "user_received_account": refund["user_received_account"],
            "amount": refund["amount"] | {"payer_total": 1, "payer_refund": 1},
        } | options.pop("changes", {})  # fmt: skip
        return self.seal(f"REFUND.{status}", content, **options)

    def seal(self, event, content, key=V3_KEY, **options):
        """Make the body and headers of a v3 notification."""
        plain = json.dumps(content, ensure_ascii=False).encode()
        body = json.dumps({
            "id": os.urandom(8).hex(), "create_time": datetime.now(BEIJING).isoformat(timespec="seconds"),
            "event_type": event, "resource_type": "encrypt-resource", "summary": "支付成功",
            "resource": {"original_type": "transaction"} | _sealed(plain, "transaction", key),
        }, ensure_ascii=False).encode()  # fmt: skip
        return body, self.signed_headers(body, **options)

    def signed_headers(self, body, *, at=None, serial=None, signer=None):
        stamp, nonce = str(int(at or time.time())), os.urandom(16).hex()
        message = b"\n".join([stamp.encode(), nonce.encode(), body, b""])
        signature = (signer or self.keys.platform).sign(message, PKCS1v15(), hashes.SHA256())
        return {
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": serial or (self.keys.serial if self.use_certificate else KEY_ID),
            "Wechatpay-Signature": base64.b64encode(signature).decode(),
            "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
        }

    # --- v2 ---
    def v2(self, operation, content_type, raw):
        """Return what it answers, and how that is signed; None: not at all."""
        if content_type != "text/xml":
            return {"return_code": "FAIL", "return_msg": "POST数据为空"}, None
        try:
            fields = {child.tag: child.text or "" for child in ElementTree.fromstring(raw)}
        except ElementTree.ParseError:
            return {"return_code": "FAIL", "return_msg": "XML格式错误"}, None
        kind = fields.get("sign_type", "MD5")
        if sign_v2(fields, kind) != fields.get("sign"):
            return {"return_code": "FAIL", "return_msg": "签名错误"}, None
        base = ANSWER | {"appid": fields.get("appid"), "return_msg": "OK", "nonce_str": os.urandom(8).hex()}
        if (
            fields.get("appid") not in (APPID, MINI_APPID)
            or fields.get("mch_id") != MCHID
            or len(fields.get("nonce_str", "")) > 32
        ):
            return base | {"result_code": "FAIL", "err_code": "APPID_MCHID_NOT_MATCH"}, kind
        reply = getattr(self, f"v2_{operation}")(fields)
        return base | {"result_code": "FAIL" if "err_code" in reply else "SUCCESS"} | reply, kind

    def v2_unifiedorder(self, fields):
        intent = {k: v for k, v in fields.items() if k not in ("sign", "nonce_str")}
        needed = ["body", "out_trade_no", "total_fee", "spbill_create_ip", "notify_url", "trade_type", "time_expire"]
        needed.append({"NATIVE": "product_id", "JSAPI": "openid"}.get(fields.get("trade_type"), "body"))
        if missing := [n for n in needed if not fields.get(n)]:
            return {"err_code": "LACK_PARAMS", "err_code_des": ",".join(missing)}
        if not re.fullmatch(r"[0-9A-Za-z_\-|*]{6,32}", fields["out_trade_no"]) or len(fields["body"].encode()) > 127:
            return {"err_code": "PARAM_ERROR", "err_code_des": "out_trade_no/body"}
        if re.search(r"[\u2600-\u27bf\ufe00-\ufe0f\U0001f000-\U0001ffff]", fields["body"]):
            return {"err_code": "PARAM_ERROR", "err_code_des": "body含有表情"}
        if not re.fullmatch(r"[1-9][0-9]*", fields["total_fee"]):
            return {"err_code": "PARAM_ERROR", "err_code_des": "total_fee"}
        if self.openids.get(fields.get("openid"), fields["appid"]) != fields["appid"]:
            return {"err_code": "PARAM_ERROR", "err_code_des": "appid和openid不匹配"}
        number, order = fields["out_trade_no"], self.orders.get(fields["out_trade_no"])
        if order is None:
            ends = datetime.strptime(fields["time_expire"], "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
            if ends < datetime.now(BEIJING) + timedelta(minutes=5):
                return {"err_code": "INVALID_REQUEST", "err_code_des": "time_expire时间过短,刷卡至少1分钟,其他5分钟"}
            order = {"wanted": intent, "state": "NOTPAY", "total_fee": int(fields["total_fee"])}
            self.orders[number] = order
        if order["state"] == "SUCCESS":
            return {"err_code": "ORDERPAID", "err_code_des": "该订单已支付"}
        if order["state"] == "CLOSED":
            return {"err_code": "ORDERCLOSED", "err_code_des": "该订单已关闭"}
        if order["wanted"] != intent:
            return {"err_code": "INVALID_REQUEST", "err_code_des": "201 商户订单号重复"}
        self.count += 1
        reply = {"trade_type": fields["trade_type"], "prepay_id": f"wx{os.urandom(16).hex()}"}
        if fields["trade_type"] == "NATIVE":
            reply["code_url"] = f"weixin://wxpay/bizpayurl?pr=c{self.count}"
        return reply

    def v2_orderquery(self, fields):
        order = self.orders.get(fields["out_trade_no"])
        if order is None:
            return {"err_code": "ORDERNOTEXIST", "err_code_des": "订单不存在"}
        reply = {"out_trade_no": fields["out_trade_no"], "trade_state": order["state"], "trade_state_desc": "说明"}
        reply["appid"] = _appid(order)
        if order["state"] == "SUCCESS":
            reply |= {"total_fee": order["paid_fen"], "transaction_id": order["transaction_id"], "fee_type": "CNY",
                     "time_end": f"{order['paid_at']:%Y%m%d%H%M%S}", "trade_type": "NATIVE", "bank_type": "CMC",
                     "openid": "oUpF8uMuAJO", "cash_fee": order["paid_fen"] - 1, "coupon_fee": 1}  # fmt: skip
        return reply

    def v2_closeorder(self, fields):
        order = self.orders.get(fields["out_trade_no"])
        if order and order["state"] == "SUCCESS":
            return {"err_code": "ORDERPAID", "err_code_des": "该订单已支付"}
        if order:
            order["state"] = "CLOSED"
        return {}

    # --- v3 ---
    def v3_caller_problem(self, method, path, headers, raw):
        line = headers.get("Authorization", "")
        kind, _, rest = line.partition(" ")
        fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        needed = {"mchid", "nonce_str", "signature", "timestamp", "serial_no"}
        if kind != "WECHATPAY2-SHA256-RSA2048" or set(fields) != needed:
            return "Authorization"
        if fields["mchid"] != MCHID or fields["serial_no"] != MERCHANT_SERIAL:
            return "mchid or serial_no"
        if abs(time.time() - int(fields["timestamp"])) > 300 or fields["nonce_str"] in self.nonces:
            return "timestamp or nonce"
        if headers.get("Accept") != "application/json" or not headers.get("User-Agent"):
            return "Accept or User-Agent"
        if raw and headers.get("Content-Type") != "application/json":
            return "Content-Type"
        message = f"{method}\n{path}\n{fields['timestamp']}\n{fields['nonce_str']}\n".encode() + raw + b"\n"
        try:
            self.keys.merchant.public_key().verify(
                base64.b64decode(fields["signature"]), message, PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return "signature"
        self.nonces.add(fields["nonce_str"])
        return ""

    def v3(self, method, path, raw):
        """Return the operation that a call means, and the function that does it: status, object or None."""
        for verb, pattern, operation in OPERATIONS:
            if verb == method and (match := re.fullmatch(pattern, path)):
                data = json.loads(raw) if raw else {}
                return operation, partial(getattr(self, f"v3_{operation}"), *match.groups(), **data)
        return "unknown", lambda: _no("RESOURCE_NOT_EXISTS", 404)

    def v3_query(self, number, mchid):
        if mchid != MCHID:
            return _no("MCH_NOT_EXISTS", 400)
        return (200, self.transaction(number)) if number in self.orders else _no("ORDER_NOT_EXIST", 404)

    def v3_close(self, number, mchid=""):
        order = self.orders.get(number)
        if mchid != MCHID:
            return _no("MCH_NOT_EXISTS", 400)
        if order is None:
            return _no("ORDER_NOT_EXIST", 404)
        if order["state"] == "SUCCESS":
            return _no("ORDERPAID", 400)
        order["state"] = "CLOSED"
        return 204, None

    def v3_refund_query(self, number):
        return (200, self.refunds[number]) if number in self.refunds else _no("RESOURCE_NOT_EXISTS", 404)

    def v3_billdownload(self, token):
        return 200, self.bill_files.get(token, b"no such file")

    def v3_certificates(self):
        sealed = _sealed(self.keys.certificate_pem, "certificate", V3_KEY)
        return 200, {"data": [{"serial_no": self.keys.serial, "encrypt_certificate": sealed}]}

    def v3_refund(self, *, out_refund_no, transaction_id, amount, notify_url, reason="-"):
        if not reason or len(reason.encode()) > 80 or re.search(r"[^ -~\u3000-\u9fff\uff00-\uffef]", reason):
            return _no("PARAM_ERROR", 400)
        if earlier := self.refunds.get(out_refund_no):
            return (200, earlier) if earlier["amount"] == amount else _no("INVALID_REQUEST", 400)
        paid = [
            (number, order) for number, order in self.orders.items() if order.get("transaction_id") == transaction_id
        ]
        if not paid or amount["total"] != paid[0][1]["paid_fen"] or amount["currency"] != "CNY":
            return _no("RESOURCE_NOT_EXISTS", 404)
        number = paid[0][0]
        alive = [r for r in self.refunds.values() if r["out_trade_no"] == number and r["status"] != "CLOSED"]
        refunded_fen = sum(r["amount"]["refund"] for r in alive)
        if self.is_out_of_money or refunded_fen + amount["refund"] > amount["total"]:
            return _no("NOT_ENOUGH", 403)
        self.refunds[out_refund_no] = {
            "refund_id": f"50000{len(self.refunds):015d}", "out_refund_no": out_refund_no,
            "transaction_id": transaction_id, "out_trade_no": number, "channel": "ORIGINAL",
            "create_time": datetime.now(BEIJING).isoformat(timespec="seconds"), "status": self.refund_status,
            "amount": amount, "user_received_account": "支付用户零钱", "funds_account": "UNSETTLED",
        }  # fmt: skip
        return 200, self.refunds[out_refund_no]

    def v3_bill(self, day):
        rows = self.edit_bill(self.bill_rows(day))
        if not rows:
            return _no("NO_STATEMENT_EXIST", 400)
        paid, refunds = (sum(row[title] for row in rows) for title in (24, 25))
        sums = [len(rows), f"{paid / 100:.2f}", "0.00", "0.00", "0.00000", f"{paid / 100:.2f}", f"{refunds / 100:.2f}"]
        rows = [[f"{cell / 100:.2f}" if at in (24, 25) else cell for at, cell in enumerate(row)] for row in rows]
        lines = [BILL_TITLES, *(",".join(f"`{cell}" for cell in row) for row in rows)]
        lines += [BILL_SUMS, ",".join(f"`{cell}" for cell in sums)]
        raw = ("\ufeff" + "\r\n".join(lines) + "\r\n").encode()
        token = os.urandom(8).hex()
        self.bill_files[token] = raw
        return 200, {"hash_type": "SHA1", "hash_value": hashlib.sha1(raw).hexdigest(),
                     "download_url": f"https://api.mch.weixin.qq.com/v3/billdownload/file?token={token}"}  # fmt: skip

    def bill_rows(self, day):
        """The day's rows; amounts, in the columns 24 and 25, in fen."""
        rows = []
        for number, order in self.orders.items():
            if order["state"] in ("SUCCESS", "REFUND") and f"{order['paid_at']:%Y-%m-%d}" == day:
                rows.append(bill_row(order["paid_at"], number, order["transaction_id"], order["paid_fen"]))
        for number, refund in self.refunds.items():
            made = datetime.fromisoformat(refund["create_time"])
            if f"{made:%Y-%m-%d}" == day:
                about = (refund["out_trade_no"], refund["transaction_id"])
                status = {"ABNORMAL": "CHANGE", "CLOSED": "FAIL"}.get(refund["status"], refund["status"])
                rows.append(bill_row(made, *about, 0, number, refund["refund_id"], refund["amount"]["refund"], status))
        return rows


def _sealed(plain, about, key):
    nonce = os.urandom(6).hex()
    cipher = AESGCM(key.encode()).encrypt(nonce.encode(), plain, about.encode())
    return {"algorithm": "AEAD_AES_256_GCM", "nonce": nonce, "associated_data": about,
            "ciphertext": base64.b64encode(cipher).decode()}  # fmt: skip


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that gave up waiting is part of the tests


def _no(code, status, message="说明"):
    return status, {"code": code, "message": message}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wechat: WeChat

    def log_message(self, *args):
        pass

    def do_GET(self):
        with self.wechat.lock:
            self.wechat.serving += 1
        try:
            self.serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        finally:
            with self.wechat.lock:
                self.wechat.serving -= 1

    do_POST = do_GET

    def serve(self, raw):
        wechat, is_v2 = self.wechat, self.path.startswith("/pay/")
        if is_v2:
            operation = self.path.removeprefix("/pay/")
            act = partial(wechat.v2, operation, self.headers.get("Content-Type"), raw)
        elif problem := wechat.v3_caller_problem(self.command, self.path, self.headers, raw):
            wechat.calls.append(("refused: " + problem, raw))
            self.answer(401, json.dumps({"code": "SIGN_ERROR", "message": problem}).encode(), {})
            return
        else:
            operation, act = wechat.v3(self.command, self.path, raw)
        fault = wechat.next_fault(operation)
        if self.misbehaves(*fault):
            return
        with wechat.lock:
            result = act()
        wechat.calls.append((operation, raw))
        if fault[0] == "drop":
            self.close_connection = True
        elif is_v2:
            self.answer_v2(*result, *fault)
        else:
            self.answer_v3(*result, *fault)

    def answer_v2(self, reply, kind, fault, *facts):
        if fault == "error":
            reply = ANSWER | {"result_code": "FAIL", "err_code": facts[0], "err_code_des": facts[1]}
        if fault == "change":
            reply |= facts[0]
        if kind and fault != "no_sign":
            reply["sign"] = sign_v2(reply, kind, "another key" if fault == "bad_sign" else API_KEY)
        self.answer(200, to_xml(reply).encode(), {"Content-Type": "text/xml"})

    def answer_v3(self, status, reply, fault, *facts):
        if isinstance(reply, bytes):
            self.answer(status, reply[: -len(reply) // 2] if fault == "half" else reply, {})
            return
        if fault == "error":
            status, reply = _no(facts[1], facts[0])
        if fault == "change":
            reply = reply | facts[0]
        body = b"" if reply is None else json.dumps(reply, ensure_ascii=False).encode()
        lie = {"signer": self.wechat.keys.merchant} if fault == "bad_sign" else {}
        lie |= {"at": time.time() - 400} if fault == "stale" else {}
        signed = {} if fault == "no_sign" else self.wechat.signed_headers(body, **lie)
        self.answer(status, body, {"Content-Type": "application/json"} | signed)

    def misbehaves(self, fault, *facts):
        """Faults in which nothing is done: down, a proxy's page; slow goes on in the end."""
        if fault == "slow":
            time.sleep(facts[0])
        if self.wechat.is_down or fault == "down":
            self.close_connection = True
        elif fault == "page":
            page = facts[1] if facts[1:] else b"<html>Bad Gateway</html>"
            self.answer(facts[0], page, {"Content-Type": "text/html"})
        elif fault == "redirect":
            self.answer(302, b"", {"Location": self.wechat.url + "/elsewhere"})
        else:
            return False
        return True

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
