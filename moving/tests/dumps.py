"""Makes dumps of an old server as dirty as real ones, always the same ones.

Also by hand, for a rehearsal: ``python -m moving.tests.dumps FOLDER --students 100000 --orders 50000``.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import bson
from bson import ObjectId, json_util

SEED = 20210827
FIRST_DAY = datetime(2019, 5, 9, 2, 14, 12)
HOSTS = ("http://www.old-school.example", "https://static.old-school.example", "http://106.0.2.128:3000")
CLASSES = [f"H5{year}{number:02}" for year in (19, 20, 21) for number in range(1, 13)]
SURNAMES, GIVEN = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗谭", "鹏欣怡子轩雨桐浩然思远佳琪梓涵俊杰晓彤志强婷建国明月诺"
ODD_AGES = ("二十", "21岁", "", "不详", "２３", -1, 999, 19.5, None, "abc", [21], {"n": 1})
TWELVE_HOURS = "%Y-%m-%d,%I:%M:%S"
Documents = dict[str, list[dict[str, Any]]]


class Maker:
    def __init__(self) -> None:
        self.random = Random(SEED)
        self.moment = FIRST_DAY

    def old_id(self) -> ObjectId:
        return ObjectId(f"{int(self.moment.replace(tzinfo=UTC).timestamp()):08x}{self.random.getrandbits(64):016x}")

    def pass_time(self, max_s: int = 900) -> datetime:
        self.moment += timedelta(seconds=self.random.randint(1, max_s), milliseconds=self.random.randint(0, 999))
        return self.moment

    def seldom(self, one_in: int = 100) -> bool:
        return self.random.randrange(one_in) == 0

    def name(self) -> str:
        return self.random.choice(SURNAMES) + "".join(self.random.choices(GIVEN, k=self.random.randint(1, 2)))

    def digits17(self) -> str:
        return f"{self.moment:%Y%m%d%H%M%S}{self.moment.microsecond // 1000:03}"

    def picture(self, folder: str) -> str:
        path = f"/{folder}/{self.random.randint(1, 9)}.png"
        return self.random.choice(["", path, self.random.choice(HOSTS) + path, f"/{folder}/lost.png"])


def documents_make(*, students: int, users: int, orders: int) -> Documents:
    """Documents of every collection; one in a hundred or so has something wrong with it."""
    make = Maker()
    people = list(_users(make, users))
    records: Documents = {"permissions": list(_roles(make)), "users": people, "logs": list(_logs(make, people))}
    records |= {"weather": list(_weather(make, min(users, 200))), "students": list(_students(make, students))}
    categories = list(_categories(make, 12))
    products = list(_products(make, categories, 60))
    records |= {"product_categorys": categories, "products": products, "carts": list(_carts(make, people, products))}
    both = [_order(make, people, products) for _ in range(orders)]
    details = [detail for _, of_order in both for detail in of_order]
    return records | {"order_masters": [master for master, _ in both], "order_details": details}


def dump_write(folder: Path, dump: Documents, *, form: str = "json") -> None:
    """Write each collection as `mongoexport` ("json") or `mongodump` ("bson") does."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, documents in dump.items():
        if form == "bson":
            (folder / f"{name}.bson").write_bytes(b"".join(bson.encode(one) for one in documents))
            (folder / f"{name}.metadata.json").write_text("{}")
        else:
            lines = [json_util.dumps(one, json_options=json_util.RELAXED_JSON_OPTIONS) for one in documents]
            (folder / f"{name}.json").write_text("\n".join(lines) + "\n", "utf-8")


def _roles(make: Maker) -> Iterator[dict[str, Any]]:
    menu = [{"_id": make.old_id(), "name": "管理首页"}, {"name": "学员管理", "children": [{"name": "学员资料"}]}]
    for roleid, name in (("1", "王者管理员"), ("102", "总监"), ("200", "员工"), ("301", "班主任")):
        rows = ["/students/getstulist", "/students/searchstu", "/students/getclasses"]
        yield {"_id": make.old_id(), "roleid": roleid, "roleName": name, "menuList": menu, "rows": rows,
               "buttons": ["read", "add"], "__v": 0}  # fmt: skip
    yield {"_id": make.old_id(), "roleid": "302", "roleName": "坏角色", "menuList": "无", "rows": ["getstu", 3],
           "buttons": ["read", "fly"]}  # fmt: skip


def _users(make: Maker, number: int) -> Iterator[dict[str, Any]]:
    earlier: list[dict[str, Any]] = []
    for at in range(number):
        make.pass_time(7200)
        user: dict[str, Any] = {
            "_id": make.old_id(), "unid": f"{make.random.getrandbits(128):032x}", "username": f"user{at:05}",
            "password": make.random.choice(["123456", "555", f"A-good-word-{at}"]), "roleid": "200",
            "phone": f"138{make.random.randint(0, 99_999_999):08}", "nickname": make.name(),
            "headimgurl": make.picture("avatar"), "openid": f"o{make.random.getrandbits(100):025x}", "unionid": "",
            "sex": make.random.choice(["男", "女", 1]), "city": "南京", "province": "江苏", "country": "中国",
            "vipLevel": make.random.choice([0, 0, 0, 1, 2]), "__v": 0,
        }  # fmt: skip
        if user["vipLevel"]:
            user |= {"vipStamp": 1684899960000, "vipExpires": "2023-05-24 11:46:00", "status": "1"}
        if earlier and make.seldom():
            user |= make.random.choice([
                {"username": earlier[-1]["username"]}, {"openid": earlier[0]["openid"]}, {"unid": ""},
                {"unid": earlier[-1]["unid"]}, {"password": ""}, {"password": 123456}, {"username": ""},
                {"roleid": "999"}, {"nickname": ""}, {"status": "0"}, {"phone": 13800000000}, {"vipLevel": -3},
            ])  # fmt: skip
        if make.seldom(20):
            user["roles"] = user.pop("roleid")
        earlier.append(user)
        yield user


def _logs(make: Maker, users: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    last = ""
    for user in users:
        now = f"{make.pass_time(60):%Y/%m/%d %H:%M:%S}"
        yield {"_id": make.old_id(), "username": user["username"], "lastLogin": {"loginTime": last, "ip": ""},
               "nowLogin": {"loginTime": now if not make.seldom() else "", "ip": "::ffff:10.0.0.9"}}  # fmt: skip
        last = now


def _weather(make: Maker, number: int) -> Iterator[dict[str, Any]]:
    for at in range(number):
        day = datetime(2020, 1, 1) + timedelta(hours=8 * at)
        yield {"_id": make.old_id(), "cityid": "101190101", "date": f"{day:%Y-%m-%d}", "week": "星期三", "city": "南京",
               "update_tim" if at % 2 else "update_time": f"{day:%H:%M}", "cityEn": "nanjing", "tem": "8",
               "alarm": {"alarm_type": "", "alarm_level": "", "alarm_content": ""}, "aqi": {"air": "50"}}  # fmt: skip
    yield {"_id": make.old_id(), "city": "南京", "date": "某日"}


def _students(make: Maker, number: int) -> Iterator[dict[str, Any]]:
    earlier: list[dict[str, Any]] = []
    for at in range(number):
        made_at = make.pass_time()
        student: dict[str, Any] = {
            "_id": make.old_id(), "name": make.name(), "age": str(make.random.randint(17, 40)),
            "class": make.random.choice(CLASSES), "city": make.random.choice(["重庆", "南京", "成都"]),
            "degree": make.random.choice(["大专", "本科"]), "productUrl": f"http://10.0.0.1/{at}",
            "description": "O(∩_∩)O哈哈~", "cTime": f"{made_at:%Y/%m/%d %H:%M:%S}",
            "sId": "".join(make.random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=4)) + f"{at:08}",
            "headimgurl": make.picture("avatar"), "__v": 0,
        }  # fmt: skip
        if earlier and make.seldom(50):
            student |= make.random.choice([
                {"age": make.random.choice(ODD_AGES)}, {"sId": earlier[-1]["sId"]}, {"name": ""}, {"class": None},
                {"city": ""}, {"degree": ""}, {"productUrl": "javascript:alert(1)"}, {"description": "长" * 3000},
                {"cTime": "昨天"}, {"sId": ""}, {"name": "半个\x00"}, dict(earlier[-1], _id=make.old_id()),
            ])  # fmt: skip
        earlier = [student]
        yield student


def _categories(make: Maker, number: int) -> Iterator[dict[str, Any]]:
    for at in range(number):
        made_at = make.pass_time(50_000)
        yield {
            "_id": make.old_id(), "category_id": make.digits17(), "categoryName": f"类目{at % 10}",
            "categoryImgurl": make.picture("imgs"), "creator": "lbw", "createTime": f"{made_at:{TWELVE_HOURS}}",
        }  # fmt: skip


def _products(make: Maker, categories: list[dict[str, Any]], number: int) -> Iterator[dict[str, Any]]:
    for at in range(number):
        make.pass_time(50_000)
        gone = at % 10 == 9
        yield {"_id": make.old_id(), "product_id": make.digits17(),
               "category_id": "20190101000000000" if gone else make.random.choice(categories)["category_id"],
               "productName": f"商品{at}", "price": 0 if at == 7 else make.random.randint(1, 9999) / 100,
               "description": "说明", "inventory": -1 if at == 8 else 1000, "imageUrl": make.picture("productPic"),
               "color": "红", "size": "XL"}  # fmt: skip


def _carts(make: Maker, users: list[dict[str, Any]], products: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for user in users[::3]:
        make.pass_time(60)
        product = make.random.choice(products)
        yield {
            "_id": make.old_id(), "cart_id": make.digits17(),
            "unid": "nobody" if make.seldom(20) else user["unid"],
            "product_id": "gone" if make.seldom(20) else product["product_id"],
            "quantity": make.random.randint(0, 3), "price": product["price"], "title": product["productName"],
            "isChecked": make.seldom(2),
        }  # fmt: skip


def _order(
    make: Maker, users: list[dict[str, Any]], products: list[dict[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    made_at = make.pass_time()
    order_id = make.digits17() + f"{make.random.getrandbits(52):013x}"
    user = make.random.choice(users)
    details = [
        {"_id": make.old_id(), "order_id": order_id, "product_id": product["product_id"],
         "productName": product["productName"], "description": "说明", "price": product["price"] or 1.0,
         "quantity": make.random.randint(1, 3), "imageUrl": product["imageUrl"]}
        for product in make.random.sample(products, make.random.choice([1, 1, 2]))
    ]  # fmt: skip
    fen = sum(one["price"] * 100 * one["quantity"] for one in details)  # with the noise of binary floats
    status, paid, shipped = make.random.choice(
        [(1, 1, 2), (1, 1, 2), (1, 1, 1), (1, 1, 0), (4, 0, 0), (2, 0, 0), (1, 0, 0)]
    )
    master: dict[str, Any] = {
        "_id": make.old_id(), "order_id": order_id, "unid": user["unid"], "order_status": status, "pay_status": paid,
        "shiping_status": shipped, "user_nickname": user["nickname"], "user_phone": user["phone"],
        "address": "南京市江宁区", "create_time": f"{made_at:{TWELVE_HOURS}}", "total_fee": fen,
    }  # fmt: skip
    if make.seldom(50):
        master |= make.random.choice([
            {"unid": "deleted"}, {"total_fee": 0}, {"order_status": 5}, {"order_status": 4, "pay_status": 1},
            {"order_id": ""}, {"order_status": "?"}, {"pay_status": 0, "shiping_status": 1}, {"total_fee": "免费"},
        ])  # fmt: skip
    if make.seldom(50):
        details = make.random.choice([
            [], [*details, dict(details[0], _id=make.old_id())],
            [dict(details[0], product_id=f"2018010112000{make.random.randint(1000, 1009)}")],
            [dict(details[0], price=0)], [dict(details[0], quantity="两")], [dict(details[0], order_id="none")],
        ])  # fmt: skip
    return master, details


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    for name, number in (("students", 1000), ("users", 200), ("orders", 500)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--form", choices=["json", "bson"], default="json")
    facts = vars(parser.parse_args())
    folder, form = facts.pop("folder"), facts.pop("form")
    dump_write(folder, documents_make(**facts), form=form)
