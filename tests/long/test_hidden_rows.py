"""Walks every address of the back office with two people who see only what is their own.

Each has the role 102 with the data scope 仅本人, or with 本班 or 本校区 and classes whose students root has entered.
Yi has one of everything, each value with a word of its own. Jia opens every page with every parameter that the walk can
fill, and must read no word of Yi's; and what is Yi's must answer like what does not exist. Root walks the same
addresses too, and must find every word, so that the walk can fail.
"""

import io
import re
import zipfile
from datetime import timedelta
from html import unescape
from itertools import product
from typing import NamedTuple
from urllib.parse import unquote_plus, urlencode

import pytest
from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from accounts.models import LoginLog, User
from attendance.models import Leave
from core.ids import mark_of
from payments.models import BillRun, Difference, InboundEvent, Payment, Refund
from permissions.models import DataScope
from permissions.services.roles import role_scoped
from runs.exports import export_start
from runs.tasks import make_export
from shop.admin.order_steps import WORK_LISTS
from shop.models import Order, Product
from shop.tests.factories import make_order
from students.models import SchoolClass, Student
from students.services import students_archive
from students.tests.factories import FIELDS as STUDENT
from students.tests.transfers import checked, confirmed, line, sheet, worked
from students.transfer.deletion import deletion_start
from tests.kit import encoded, logged_in, posted

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(1200)]  # a minute of work, for one core of a quiet machine
MISSING = 987654321
KEYS = ("object_id", "pk", "id")  # what the parts of a route are called that name a row


@pytest.fixture(params=[DataScope.OWN, DataScope.CLASS, DataScope.CAMPUS])
def people(request, person, roles, settings, tmp_path, sent_tasks):
    settings.MEDIA_ROOT = str(tmp_path)
    role = roles["102-narrow"] = role_scoped(roleid="102", scope=request.param)
    people = [
        person(name, "102-narrow", is_staff=True, nickname=f"{name}昵称", city=f"{name}户籍", phone=phone)
        for name, phone in (("jiaren", "13700001111"), ("yiren", "13622223333"))
    ]
    for who in people if role.scope.is_by_classes else ():
        campus = f"{who.user.username}校区" if role.sees_campus else ""
        User.objects.filter(pk=who.user.pk).update(campus=campus)
        names = [f"{who.user.username}{class_name}" for class_name in ("class", "导入班")]
        for name in (*names, names[1].upper()):  # an import writes a class without students in capitals
            SchoolClass.objects.create(name=name, campus=campus, head_teacher=None if campus else who.user)
    return people


class Words(NamedTuple):
    """By what one person's rows are known, and the few of these that the walk searches for."""

    all: set[str]
    searched: list[str]


def enter(who, root):
    """Let a person do one of everything; return the words by which that is known.

    With 本班 and 本校区 root enters the students; then they sleep in a room of root's, and root opens the session.
    """
    name, user, now = who.user.username, who.user, timezone.now()
    office = root if user.role.scope.is_by_classes else who
    color, price = (9, 9, 200 if name == "jiaren" else 99), "71.31" if name == "jiaren" else "82.46"
    picture = who.post("/upload/uploadImg", {"img": posted(encoded(color=color))}, format="multipart").json()
    address = picture["imgUrl"]
    student = {wire: f"{name}{wire}" for wire in STUDENT} | {"age": "33" if name == "jiaren" else "44"}
    added = [
        office.post("/students/addstu", student | {"name": f"{name}{what}", "headimgurl": address}).json()["sId"]
        for what in ("在读", "归档的", "删除的", "改过的")
    ]
    category = who.post("/category/addCategory", {"categoryName": f"{name}类目", "imageUrl": address}).json()
    product = {"category_id": category["category_id"], "productName": f"{name}商品", "price": price, "inventory": "5"}
    product = who.post("/product/add_product", product | {"imageUrl": address, "description": f"{name}商品说明"}).json()
    buying = {"recipient": f"{name}收件人", "phone": user.phone, "address": f"{name}地址", "note": f"{name}留言"}
    order = make_order(user, Product.objects.get(product_id=product["product_id"]))
    Order.objects.filter(pk=order.pk).update(state="paid", pay_status=1, sweep_at=None, paid_at=now, **buying)
    money = money_of(name, order, now)
    ip = f"198.51.100.{ord(name[0])}"
    LoginLog.objects.create(user=user, username=name, ip=ip, logged_in_at=now)

    who.post("/students/updatestu", {"sId": added[3], "city": f"{name}改后城市"})
    pupils = Student.objects.filter(sid__in=added)
    students_archive(pks=[pupils.get(name=f"{name}归档的").pk], actor_pk=user.pk, now=now)
    gone = pupils.filter(name=f"{name}删除的")
    worked(deletion_start(students=gone, mark=mark_of(gone.values_list("pk", flat=True)), user_pk=user.pk, now=now))
    checked(sheet(line(姓名=f"{name}待导入", 班级=f"{name}导入班")), user)
    confirmed(checked(sheet(line(姓名=f"{name}导入的", 班级=f"{name}导入班")), user), user)
    export = export_start(model="students.student", query="", file_name=f"{name}导出.csv", user_pk=user.pk, now=now)
    make_export(export.pk)
    rooms_of(office, name, added[0], student["class"])
    words = {
        f"{name}{word}" for word in ("昵称", "户籍", "在读", "归档的", "删除的", "改过的", "改后城市", "类目", "商品")
    }
    words |= {
        f"{name}{word}" for word in ("商品说明", "收件人", "地址", "留言", "待导入", "导入的", "导入班", "导出.csv")
    }
    words |= {f"{name}{word}" for word in ("楼", "房间", "点名备注", "请假原因", *["校区"] * user.role.sees_campus)}
    words |= {student[wire] for wire in STUDENT if wire not in ("age", "name")}
    words |= money | {name, *added, ip, user.phone, price, order.order_id, address.rpartition("/")[2]}
    return Words(words, [name, added[0], order.order_id])


def rooms_of(who, name, sid, class_name):
    """Give a person a bed with a student in it, a session with a mark, and leave."""
    room = who.post("/dorm/addRoom", {"building": f"{name}楼", "room": f"{name}房间", "beds": 1}).json()
    assert who.post("/dorm/checkIn", {"sId": sid, "room_id": room["room_id"]}).json()["state"] is True
    session = who.post("/attendance/open", {"class": class_name}).json()
    mark = {"attendance_id": session["attendance_id"], "sId": sid, "remark": f"{name}点名备注"}
    assert who.post("/attendance/mark", mark).json()["state"] is True
    yesterday = str(timezone.localdate() - timedelta(days=1))  # the sheet of a month has what is over
    over = who.post("/attendance/open", {"class": class_name, "date": yesterday}).json()
    assert who.post("/attendance/close", {"attendance_id": over["attendance_id"]}).json()["state"] is True
    student, day = Student.objects.get(sid=sid), timezone.localdate()
    facts = {"sid": sid, "name": student.name, "begins_on": day, "ends_on": day, "reason": f"{name}请假原因"}
    Leave.objects.create(student=student, created_by=who.user, **facts)


def money_of(name, order, now):
    number = f"4200{order.pk:06}"
    payment = Payment.objects.create(
        out_trade_no=order.order_id, amount_fen=order.pk + 123_45, state="paid", paid_at=now, openid=f"openid-{name}",
        transaction_id=number, time_start=now, time_expire=now + timedelta(minutes=2), created_at=now,
    )  # fmt: skip
    Refund.objects.create(
        payment=payment, out_refund_no=f"R{number}", amount_fen=1, created_at=now, reason=f"{name}退款原因"
    )
    InboundEvent.objects.create(
        channel="v3", received_at=now, body=f"{name}报文".encode(), verdict="failed", out_trade_no=order.order_id
    )
    BillRun.objects.get_or_create(day=now.date(), mch_id="1900", defaults={"ran_at": now, "state": "done"})
    Difference.objects.create(
        day=now.date(), mch_id="1900", kind="amount", out_trade_no=order.order_id, found_at=now
    )  # fmt: skip
    return {number, f"R{number}", f"openid-{name}", f"{name}退款原因", f"{name}报文"}


# --- The addresses ---
def routes(patterns, start=""):
    """Yield each route below ``/admin/`` with the names of its parts that must be filled in."""
    for pattern in patterns:
        route = start + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif route.startswith("admin/") and pattern.name != "logout":
            yield route.replace("^", "").replace("$", ""), list(pattern.pattern.regex.groupindex)


def pages():
    """Return the pages of the back office by the beginning of their addresses."""
    return {f"admin/{page.opts.app_label}/{page.opts.model_name}/": page for page in admin.site._registry.values()}


def keys():
    """Return the keys of all rows by the model that has a page."""
    rows = {page.model: [*page.model._base_manager.values_list("pk", flat=True)] for page in pages().values()}
    # Of the log one entry of each kind by each person, because there are ten times as many.
    kinds = ("content_type_id", "action", "actor_id")
    rows[LogEntry] = [*LogEntry.objects.order_by(*kinds, "-pk").distinct(*kinds).values_list("pk", flat=True)]
    return rows


def fillings(route, names, rows):
    """Yield what to write into a route: the model that it is about, and a list that ends with a key of it.

    A page with a part of a new name needs a line here.
    """
    page = pages().get("/".join(route.split("/")[:3]) + "/")
    if names == ["content_type_id", "object_id"]:
        for model, its_keys in rows.items():
            yield from ((model, [ContentType.objects.get_for_model(model).pk, key]) for key in its_keys)
    elif {*KEYS} & {*names}:
        model = page.model if page else User
        parts = {"number": 1, "step": "rename"}
        for key in rows[model]:
            yield model, [key if name in KEYS else parts[name] for name in names]
    else:
        labels = {page.opts.app_label for page in pages().values()}
        parts = {"kind": ["csv"], "url": ["none/"], "class_name": ["yiren导入班"], "app_label": sorted(labels)}
        yield from ((None, [*values]) for values in product(*(parts[name] for name in names)))


def queries(route, words, rows):
    """Yield what may stand behind the ``?`` of an address without parts: what searches, chooses and filters."""
    common = {"period": "month", "ids": ",".join(map(str, rows[Order]))}
    yield from (common | {"format": kind} for kind in ("csv", "xlsx"))
    yield common | {"campus": f"{words.searched[0]}校区"}
    (word, sid, _), yesterday = words.searched, timezone.localdate() - timedelta(days=1)
    # A month of attendance, and the beds of a house.
    yield {"class": f"{word}class", "month": f"{yesterday:%Y-%m}", "key": word, "student": sid, "q": word}
    if route == "admin/search/" or route in pages():
        yield from ({"s": word, "extended": 1, "q": word} for word in words.searched)
        yield from ({"work": work} for work in WORK_LISTS)
    if route == "admin/autocomplete/":
        for page in pages().values():
            field_names = [field.name for field in page.opts.get_fields() if field.concrete and field.many_to_one]
            for name in field_names:
                field = {"app_label": page.opts.app_label, "model_name": page.opts.model_name, "field_name": name}
                yield field | {"term": words.searched[0]}


def addresses(words, hidden, rows):
    """Yield every address of the back office, with the key of each of ``rows``, and with every parameter.

    Beside the one with the key of a hidden row stands the same of no row.
    """
    for route, names in routes(get_resolver().url_patterns):
        for model, filling in fillings(route, names, rows):
            at = next((at for at, name in enumerate(names) if name in KEYS), -1)
            is_hidden = model is not None and filling[at] == hidden[model]
            missing = [*filling[:at], MISSING, *filling[at + 1 :]]
            yield filled(route, filling), filled(route, missing) if is_hidden else ""
        if not names:
            yield from ((f"/{route}?{urlencode(query)}", "") for query in queries(route, words, rows))


def filled(route, parts):
    values = iter(parts)
    return "/" + re.sub(r"<[^>]*>|\(\?P<[^)]*\)", lambda part: str(next(values)), route)


# --- The walk ---
def text_of(answer):
    """Return all that an answer tells, with the addresses that it has led to and the parts of a workbook."""
    content = b"".join(answer) if answer.streaming else answer.content
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            content = b" ".join(book.read(name) for name in book.namelist())
    assert answer.status_code < 500, answer.request["PATH_INFO"]
    links = [link for link, _ in answer.redirect_chain]
    return f"{answer.status_code} {links} {unescape(content.decode(errors='replace'))}"


def words_in(text, words, address):
    """Return the words that a text has and its address has not: a page repeats what was searched for."""
    return {word for word in words if word in text and word not in unquote_plus(address)}


def likened(text):
    """Return the text without what differs from answer to answer: tokens and numbers."""
    return re.sub(r"[0-9]+", "#", re.sub(r'csrfmiddlewaretoken" value="[^"]*"|nonce="[^"]*"', "", text))


def test_no_page_tells_a_word_of_what_another_has_entered(people, root):
    jia, yi = people
    own, before = enter(jia, root), keys()
    words, rows = enter(yi, root), keys()
    hidden = {model: max({*its_keys} - {*before[model]}, default=None) for model, its_keys in rows.items()}
    hidden |= {User: yi.user.pk, SchoolClass: SchoolClass.objects.get(name="yirenclass").pk}
    browser, office = logged_in(jia.user), logged_in(root.user)
    # Root sees the same whatever the others see, and this scope has every word of the others.
    is_root_walking = jia.user.role.sees_campus
    found, seen, told, differing = set[str](), set[str](), {}, set[str]()
    for address, missing in addresses(words, hidden, rows):
        text = text_of(browser.get(address, follow=True))
        found |= words_in(text, own.all, address)
        if leak := words_in(text, words.all, address):
            told[address] = leak
        if "?" not in address and is_root_walking:
            seen |= words_in(text_of(office.get(address, follow=True)), words.all, address)
        if missing:
            form = {"_save": "1", "post": "yes", "do": "confirm", "name": "x"}
            texts = [text, *(text_of(browser.post(page, form, follow=True)) for page in (address, missing))]
            texts.append(text_of(browser.get(missing, follow=True)))
            if [*map(likened, texts[:2])] != [*map(likened, texts[:1:-1])] or words_in(texts[1], words.all, address):
                differing.add(address)

    assert told == {}
    assert differing == set()
    assert not is_root_walking or words.all - seen == {"yiren导出.csv"}  # each sees the own exports alone
    assert own.all - found == {"openid-jiaren", "jiaren报文"}  # the pages of money are closed
