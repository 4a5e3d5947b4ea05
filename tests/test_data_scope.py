"""Data scope: what a role sees and changes of the students, products and categories that Li and Wang have entered."""

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import User
from permissions.models import DataScope, Role
from permissions.services.roles import role_add
from runs.exports import export_start
from runs.tasks import make_export
from shop.models import Category, Order, Product
from shop.services.catalogue import vip_category_create
from shop.tests.factories import make_category, make_order
from students.models import SchoolClass, Student
from students.recorded_changes import edit_mark
from students.tests.factories import FIELDS as STUDENT
from students.tests.factories import students
from students.tests.transfers import checked, confirmed, line, sheet
from tests.kit import logged_in, save_page

pytestmark = pytest.mark.django_db

ALL, CHANGE_OWN, OWN = DataScope.ALL, DataScope.CHANGE_OWN, DataScope.OWN
NARROW = (OWN, DataScope.CLASS, DataScope.CAMPUS)
NOT_OWN = {"status": 403, "state": False, "code": "10026", "msg": "not permitted 没有权限"}
NO_DATA = {"status": 1005, "state": False, "msg": "没有该数据"}
UNKNOWN = {"status": 1004, "state": False, "msg": "err 该数据不存在"}
PICTURE = "http://pictures.example/p.png"


@pytest.fixture
def people(person, roles):
    """Return two users whose role may make every call, with a scope: ``li, wang = people(OWN)``."""

    def make(scope):
        roles["300"] = role_add(roleid="300", name="讲师", rows=["*"])
        Role.objects.filter(roleid="300").update(**DataScope(scope).columns)
        li, wang = person("li", "300", is_staff=True), person("wang", "300", is_staff=True)
        for who, name in ((li, "李"), (wang, "王")):
            campus = f"{name}校区" if scope == DataScope.CAMPUS else ""
            SchoolClass.objects.create(name=f"{name}班", head_teacher=None if campus else who.user, campus=campus)
            User.objects.filter(pk=who.user.pk).update(campus=campus)
        return li, wang

    return make


def enter(who, name):
    """Let a user enter a student, a category and a product of it; return their numbers as the calls name them."""
    sid = who.post("/students/addstu", STUDENT | {"name": name, "class": f"{name}班"}).json()["sId"]
    category = who.post("/category/addCategory", {"categoryName": f"{name}类"}).json()["category_id"]
    product = {"category_id": category, "productName": f"{name}茶", "price": "1", "inventory": "5"}
    added = who.post("/product/add_product", product | {"imageUrl": PICTURE, "description": "说明"}).json()
    return {"sId": sid, "category_id": category, "product_id": added["product_id"]}


LISTS = [
    ("/students/getstulist", "name", ""),
    ("/students/searchstu?key=李", "name", ""),
    ("/students/getstulist?class=李班", "name", ""),
    ("/category/getCategory", "categoryName", "类"),
    ("/product/get_product", "productName", "茶"),
]


@pytest.mark.parametrize("scope", DataScope.values)
def test_a_list_and_its_total_hold_what_the_scope_shows(people, scope):
    li, wang = people(scope)
    enter(li, "李")
    enter(wang, "王")

    for path, key, suffix in LISTS:
        answer = wang.get(path).json()
        names = [f"李{suffix}"] * (scope not in NARROW) + [f"王{suffix}"] * ("李" not in path)
        assert (sorted(row[key] for row in answer["data"]), answer["total"]) == (sorted(names), len(names)), path
    classes = ["李班"] * (scope not in NARROW) + ["王班"]
    assert wang.get("/students/getclasses").json()["data"] == classes


# What each says of an unknown number: with the scope OWN others' rows are unknown.
CHANGES = {
    "/students/updatestu": ("sId", {"name": "王五"}, None),
    "/students/delstu": ("sId", None, {"status": 0, "state": False, "msg": "删除出错"}),
    "/category/updateCategory": ("category_id", {"categoryName": "新"}, NO_DATA),
    "/product/update_product": ("product_id", {"price": "2"}, NO_DATA),
    "/product/del_product": ("product_id", None, UNKNOWN),
    "/category/delCategory": ("category_id", None, UNKNOWN),
}


def changes(who, ids):
    """Let a user change and delete a student, a product and a category; return the answers."""
    return [call(who, path, ids[key], values) for path, (key, values, _) in CHANGES.items()]


def call(who, path, number, values=None):
    key = CHANGES[path][0]
    return (who.post(path, {key: number} | values) if values else who.get(path, **{key: number})).json()


@pytest.mark.parametrize("scope", DataScope.values)
def test_what_another_has_entered_is_changed_with_the_scope_all_alone(people, scope):
    li, wang = people(scope)
    ids = enter(li, "李")
    before = _rows()

    answers = changes(wang, ids)

    if scope == ALL:
        assert [answer["state"] for answer in answers] == [True] * 6
        assert not [rows for rows in _rows() if rows in before]
        return
    unknown = changes(wang, dict.fromkeys(ids, "WWLN97178546"))
    assert all(text in (None, answer) for (_, _, text), answer in zip(CHANGES.values(), unknown, strict=True))
    assert answers == ([NOT_OWN] * 6 if scope == CHANGE_OWN else unknown)
    assert _rows() == before
    assert [answer["state"] for answer in changes(li, ids)] == [True] * 6  # own rows


def _rows():
    return [list(model.objects.order_by("pk").values_list()) for model in (Student, Category, Product)]


def test_root_sees_and_changes_everything_and_rows_without_an_owner_need_the_scope_all(people, root):
    li, _ = people(CHANGE_OWN)
    ids = enter(li, "李")
    Role.objects.filter(roleid="1").update(data_scope=OWN)  # which does not bind root

    assert root.get("/students/getstulist").json()["total"] == 1
    assert [answer["state"] for answer in changes(root, ids)] == [True] * 6
    students("张三")  # whom no user has entered
    (row,) = li.get("/students/getstulist").json()["data"]
    assert call(li, "/students/delstu", row["sId"]) == NOT_OWN


def test_what_is_out_of_sight_is_neither_bought_nor_in_the_way_of_a_category(people):
    li, wang = people(OWN)
    product = enter(li, "李")["product_id"]

    assert wang.post("/cart/add_to_cart", {"product_id": product, "count": "1"}).json()["status"] == 10020
    assert wang.post("/pay/pre_order", {"product_id": product}).json()["msg"] == "err商品已下架或者不存在"
    assert li.post("/pay/pre_order", {"product_id": product}).json()["state"] is True
    category = {"categoryName": "李类"}
    assert [who.post("/category/addCategory", category).json()["state"] for who in (wang, li)] == [True, False]


PRODUCT = {"productName": "茶", "price": "0.01", "inventory": "5", "description": "说明", "imageUrl": PICTURE}


@pytest.mark.parametrize("scope", DataScope.values)
def test_a_private_category_takes_products_of_its_owner_and_vip_time_needs_the_scope_all(people, scope, roles, person):
    roles["301"] = role_add(roleid="301", name="学员", rows=["*"])
    Role.objects.filter(roleid="301").update(data_scope=OWN)
    private = person("zhao", "301").post("/category/addCategory", {"categoryName": "赵类"}).json()["category_id"]
    vip = vip_category_create(actor="root", now=timezone.now()).category_id
    everyones = make_category("公用").category_id
    li, wang = people(scope)
    own, lis = (
        who.post("/category/addCategory", {"categoryName": f"类{who.user.username}"}).json() for who in (wang, li)
    )
    product = wang.post("/product/add_product", PRODUCT | {"category_id": own["category_id"]}).json()["product_id"]

    def add(category_id):
        return wang.post("/product/add_product", PRODUCT | {"category_id": category_id}).json()

    def move(category_id):
        return wang.post("/product/update_product", {"product_id": product, "category_id": category_id}).json()

    unknown = add("20200101000000000")
    for category_id in (private, vip):
        for answer in (add(category_id), move(category_id)):
            assert answer["state"] is (scope == ALL)
            assert scope == ALL or answer == (NOT_OWN if scope == CHANGE_OWN else unknown)
    assert all(
        add(category_id)["state"]
        for category_id in (own["category_id"],) + (everyones, lis["category_id"]) * (scope not in NARROW)
    )
    page = logged_in(staff_of(wang)).get("/admin/shop/product/add/").content.decode()
    assert [name in page for name in ("赵类", ">vip充值<")] == [scope == ALL] * 2 and "类wang" in page
    Product.objects.filter(product_id=product).update(category=Category.objects.get(category_id=vip))
    answer = wang.post("/product/update_product", {"product_id": product, "price": "0.02"}).json()
    assert answer["state"] is (scope == ALL)


def staff_of(who):
    names = ["view_product", "add_product", "change_product"]
    Role.objects.get(roleid="300").permissions.set(Permission.objects.filter(codename__in=names))
    return who.user


def test_a_role_that_loses_its_scope_sees_everything_from_the_next_call_on(people, django_capture_on_commit_callbacks):
    li, wang = people(OWN)
    enter(li, "李")
    assert wang.get("/students/getstulist").json()["total"] == 0

    role = Role.objects.get(roleid="300")
    role.data_scope = ALL
    with django_capture_on_commit_callbacks(execute=True):
        role.save()

    assert wang.get("/students/getstulist").json()["total"] == 1


# --- The back office ---
OFFICE = ["students.view_student", "students.add_student", "students.change_student", "students.delete_student",
          "students.export_student", "shop.view_product", "shop.change_product", "shop.delete_product",
          "shop.view_category", "shop.add_category"]  # fmt: skip


@pytest.fixture
def offices(people):
    """Return the users of :func:`people` with a browser of each, and with all rights on students and products."""

    def make(scope):
        pair = people(scope)
        names = [name.split(".")[1] for name in OFFICE]
        Role.objects.get(roleid="300").permissions.set(Permission.objects.filter(codename__in=names))
        return [(who, logged_in(who.user)) for who in pair]

    return make


@pytest.mark.parametrize("scope", DataScope.values)
def test_the_back_office_shows_what_the_scope_shows(offices, scope):
    (li, _), (wang, browser) = offices(scope)
    enter(li, "李")
    enter(wang, "王")
    order = make_order(li.user, Product.objects.get(name="李茶"))
    Order.objects.filter(pk=order.pk).update(
        state="paid", pay_status=1, sweep_at=None
    )  # the first page tells what sold most
    pages = ["/admin/students/student/", "/admin/students/student/?q=李", "/admin/shop/product/", "/admin/",
             "/admin/students/student/print/", "/admin/students/student/export/?format=csv",
             "/admin/students/student/add/"]  # fmt: skip

    texts = [b"".join(browser.get(page)).decode() for page in pages]

    assert [("李班" in text or "李茶" in text) for text in texts] == [scope not in NARROW] * len(pages)
    namesake = {"name": "李", "class_name": "__new__", "class_name_new": "李班", "age": "20", "city": "重庆"}
    question = save_page(browser, "/admin/students/student/add/", **namesake, degree="本科").content.decode()
    assert ("已有同名学员" in question) is (scope not in NARROW)
    twin = save_page(browser, "/admin/shop/category/add/", name="李类")
    assert ("已经存在该类目" in twin.content.decode()) is (scope not in NARROW)


@pytest.mark.parametrize("scope", DataScope.values)
@pytest.mark.parametrize("action", ["archive", "edit_many", "delete_selected"])
def test_an_action_touches_what_the_scope_lets_change(offices, scope, action):
    (li, _), (_, browser) = offices(scope)
    enter(li, "李")
    students = Student.objects.filter(class_name="李班")
    form = {"action": action, "_selected_action": [students.get().pk], "class_name": "H9"}

    page = browser.post("/admin/students/student/", form, follow=True)
    if page.context and "mark" in dict(page.context.get("posted", [])):
        browser.post("/admin/students/student/", form | {"mark": dict(page.context["posted"])["mark"]})

    assert page.status_code == 200
    if action != "delete_selected":  # a worker deletes
        assert students.exists() is (scope != ALL)


@pytest.mark.parametrize("scope", DataScope.values)
def test_a_form_is_for_looking_only_where_the_scope_does_not_let_change(offices, scope):
    (li, _), (_, browser) = offices(scope)
    enter(li, "李")
    page = f"/admin/students/student/{Student.objects.get().pk}/change/"

    answer = browser.get(page)

    assert (answer.status_code == 200) is (scope not in NARROW)
    if scope == ALL:
        save_page(browser, page, name="赵六")
    else:
        assert browser.post(page, {"name": "赵六"}).status_code == (403 if scope == CHANGE_OWN else 302)
    assert Student.objects.filter(name="赵六").exists() is (scope == ALL)
    rows = browser.get("/admin/shop/product/").context["cl"].formset.forms
    assert [row.fields["price"].disabled for row in rows] == ([] if scope in NARROW else [scope != ALL])


def test_the_file_of_an_export_is_closed_once_the_scope_is_narrower(offices):
    (li, _), (wang, browser) = offices(ALL)
    enter(li, "李")
    export = export_start(
        model="students.student", query="", file_name="a.csv", user_pk=wang.user.pk, now=timezone.now()
    )
    page = f"/admin/core/export/{export.pk}"
    make_export(export.pk)
    assert "李班" in browser.get(f"{page}/result/").content.decode("utf-8-sig")

    Role.objects.filter(roleid="300").update(data_scope=OWN)

    assert [browser.get(f"{page}/{part}/").status_code for part in ("change", "result", "progress")] == [404] * 3
    assert "a.csv" not in browser.get("/admin/core/export/").content.decode()
    Role.objects.filter(roleid="300").update(data_scope=ALL)
    assert browser.get(f"{page}/change/").status_code == 200


# --- The classes of a head teacher, and those of a campus ---
@pytest.fixture(params=[DataScope.CLASS, DataScope.CAMPUS])
def head(request, offices, root, django_capture_on_commit_callbacks):
    """Return Wang, whose classes are 王班 and 张班, with a browser; root has entered a student in three classes.

    Wang heads 王班, or is of its campus, and teaches 张班.
    """
    (li, _), (wang, browser) = offices(request.param)
    SchoolClass.objects.create(name="张班", campus="李校区 2").teachers.add(wang.user)
    for name in ("李", "王", "张"):
        root.post("/students/addstu", STUDENT | {"name": name, "class": f"{name}班"})
    return wang, browser


def student_of(name):
    return Student.objects.get(name=name)


def refusal_of(names):
    is_campus = Role.objects.get(roleid="300").sees_campus
    msg = f"只能放进{'自己校区的' if is_campus else '自己带的'}班级：{names}"
    return {"status": 403, "state": False, "code": "10026", "msg": msg}


def test_a_head_teacher_sees_and_changes_the_own_classes_whoever_entered_them(head, django_assert_num_queries):
    wang, browser = head
    ids = {name: student_of(name).sid for name in ("李", "王", "张")}

    wang.get("/students/getclasses")  # which loads the role
    with django_assert_num_queries(4):  # the caller, the classes, the rows and their number
        wang.get("/students/getstulist")
    assert [row["name"] for row in wang.get("/students/getstulist").json()["data"]] == ["张", "王"]
    assert wang.get("/students/getclasses").json()["data"] == ["张班", "王班"]
    assert wang.get("/students/getstulist?class=李班").json()["total"] == 0
    assert wang.post("/students/updatestu", {"sId": ids["张"], "city": "成都"}).json()["state"]
    assert wang.post("/students/updatestu", {"sId": ids["张"], "class": "王班"}).json()["state"]
    unknown = wang.post("/students/updatestu", {"sId": "WWLN97178546", "city": "成都"}).json()
    assert wang.post("/students/updatestu", {"sId": ids["李"], "city": "成都"}).json() == unknown
    assert browser.get(f"/admin/students/student/{student_of('李').pk}/change/").status_code == 302  # as of none
    assert "王班" in browser.get("/admin/students/student/").content.decode()


@pytest.mark.parametrize("class_name", ["李班", "新班"])
def test_nobody_is_put_into_a_class_of_another_or_a_new_one(head, class_name, sent_tasks):
    wang, browser = head
    student = student_of("王")
    page, before = f"/admin/students/student/{student.pk}/change/", _rows()
    assert "李班" not in browser.get(page).content.decode(), "the form offers none of those"

    answers = [
        wang.post("/students/addstu", STUDENT | {"class": class_name}).json(),
        wang.post("/students/updatestu", {"sId": student.sid, "class": class_name}).json(),
    ]
    pages = [
        save_page(browser, page, class_name=class_name),
        browser.post(
            "/admin/students/student/",
            {"action": "edit_many", "_selected_action": [student.pk], "mark": edit_mark([student])}
            | {"class_name": class_name},
        ),
    ]
    run = checked(
        sheet(line(姓名="赵", 班级=class_name), line(姓名="王", 学号=student.sid, 班级=class_name)), wang.user
    )

    refusal = refusal_of("张班、王班")
    assert answers == [refusal] * 2
    assert [refusal["msg"] in page.content.decode() for page in pages] == [True] * 2
    assert run.counts == {"error": 2}
    assert [row.errors[0][1] for row in run.rows.order_by("number")] == [refusal["msg"]] * 2
    assert _rows() == before
    assert save_page(browser, page, city="成都").status_code == 302  # and what does not concern the class is saved


def test_a_class_that_another_teacher_gets_is_out_of_sight_with_its_import_and_its_files(head, sent_tasks):
    wang, browser = head
    run = checked(sheet(line(姓名="赵", 班级="王班")), wang.user)
    export = export_start(
        model="students.student", query="", file_name="a.csv", user_pk=wang.user.pk, now=timezone.now()
    )
    make_export(export.pk)
    pages = [f"/admin/core/export/{export.pk}/change/", f"/admin/students/transferrun/{run.pk}/change/"]
    assert [browser.get(page).status_code for page in pages] == [200, 200]

    SchoolClass.objects.filter(name="王班").update(head_teacher=None, campus="李校区")
    run = confirmed(run, wang.user)

    assert (run.state, run.message) == ("failed", refusal_of("张班")["msg"])
    assert not Student.objects.filter(name="赵").exists()
    assert [browser.get(page).status_code for page in pages] == [404, 404]
    assert wang.get("/students/getstulist").json()["total"] == 1


def test_sessions_records_rooms_and_figures_are_those_of_the_classes(head, root):
    wang, _ = head
    for name in ("李", "王"):
        assert root.post("/attendance/open", {"class": f"{name}班", "period": "上午"}).json()["state"]
        room = root.post("/dorm/addRoom", {"building": "1号楼", "room": f"{name}室", "beds": "2"}).json()["room_id"]
        assert root.post("/dorm/checkIn", {"sId": student_of(name).sid, "room_id": room}).json()["state"]

    (session,) = wang.get("/attendance/getList").json()["data"]
    mark = {"attendance_id": session["attendance_id"], "sId": student_of("王").sid, "attendanceStatus": "迟到"}
    (room,) = wang.get("/dorm/getRooms").json()["data"]
    changes = {"room_id": room["room_id"], "beds": "3"}

    assert session["class"] == "王班" and wang.post("/attendance/mark", mark).json()["state"]
    again = wang.post("/attendance/open", {"class": "王班", "period": "上午"}).json()
    assert (again["state"], again["attendance_id"]) == (False, session["attendance_id"])  # one for all teachers
    assert wang.post("/attendance/open", {"class": "李班", "period": "晚上"}).json()["state"] is False
    assert room["room"] == "王室" and wang.post("/dorm/updateRoom", changes).json() == NOT_OWN
    assert {row["name"]: row["value"] for row in wang.get("/statistics/students?by=class").json()["data"]} == {
        "张班": 1, "王班": 1
    }  # fmt: skip


@pytest.mark.parametrize("scope", [DataScope.CLASS, DataScope.CAMPUS])
def test_a_role_of_the_own_classes_is_one_of_the_own_rows_for_the_release_before(roles, scope):
    role = role_add(roleid="300")
    for name, value in scope.columns.items():
        setattr(role, name, value)
    assert (role.scope, role.data_scope) == (scope, OWN)
    role.data_scope = ALL  # as that release would
    assert role.scope == ALL
