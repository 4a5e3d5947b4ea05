"""Two clerks with one form: neither loses an edit, and a clash is shown to the second."""

from functools import partial

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import CharField, DecimalField, TextField
from django.urls import reverse

from core.admin import conflicts
from core.admin.base import OfficeAdmin
from core.admin.buttons import ButtonsAdmin
from permissions.models import Role
from shop.models import Product
from students.models import Student
from students.tests.factories import student
from tests.kit import PageForm, at_once, encoded, logged_in, meet_at, posted
from uploads.models import Upload

pytestmark = pytest.mark.django_db


def page_of(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def opened(browser, row):
    return PageForm(browser.get(page_of(row)))


def first_change(answer):
    return answer.context["adminform"].form.open_changes[0]


def keep(browser, row, answer, **choices):
    """Choose on the page that shows a clash: ``city="mine"``."""
    data = PageForm(answer).data(**{f"keep-{name}": choice for name, choice in choices.items()})
    return browser.post(page_of(row), data)


@pytest.fixture
def li(db):
    row = student(name="李四", city="重庆", degree="专科", description="一\n二")
    row.save()
    return row


@pytest.fixture
def wang(person):
    """A colleague in the back office."""
    return logged_in(person("wang", "1", is_staff=True).user)


def colleague_saves(wang, row, **changes):
    assert wang.post(page_of(row), opened(wang, row).data(**changes)).status_code == 302


# Fields that take no text as it comes.
THEIRS = {"phone": "13800138000", "parent_phone": "13900139000", "id_card": "11010519491231002X"}


def test_every_page_keeps_what_a_colleague_changed(office, root, stock, rf):
    request = rf.get("/")
    request.user = root.user
    merging = set()
    assert [page for page in admin.site._registry.values() if not isinstance(page, OfficeAdmin)] == []
    for model, page in admin.site._registry.items():
        row = model._base_manager.order_by("pk").last()
        if row is None or isinstance(page, ButtonsAdmin) or not page.has_change_permission(request, row):
            continue
        form, shown = opened(office, row), page.get_form(request, row, change=True).base_fields
        theirs = {
            field.name: "7.77" if isinstance(field, DecimalField) else THEIRS.get(field.name, "同事写的")
            for field in model._meta.concrete_fields
            if field.name in shown and isinstance(field, (CharField, TextField, DecimalField)) and not field.choices
        }
        model._base_manager.filter(pk=row.pk).update(**theirs)
        answer = office.post(page_of(row), form.data())
        assert answer.status_code == 302, (model, answer.context["adminform"].form.errors)
        kept = {name: str(text) for name, text in model._base_manager.values(*theirs).get(pk=row.pk).items()}
        assert kept == theirs != {}, model
        merging.add(model._meta.label)
    assert merging >= {"students.Student", "accounts.User", "permissions.Role", "shop.Product", "shop.Category"}


class TestDifferentFields:
    @pytest.mark.parametrize("author", ["wang", "你自己（另一个页面）"])
    def test_are_merged_and_the_colleague_is_named_also_beside_a_mistake(self, office, wang, li, author):
        untouched = opened(office, li).data()
        mine = untouched | {"degree": "本科", "age": "999"}
        colleague_saves(wang if author == "wang" else office, li, city="南京")

        page = office.post(page_of(li), mine)
        again = PageForm(page).data()
        assert (again["city"], again["degree"], again["age"]) == (["南京"], ["本科"], ["999"])
        assert not page.context["adminform"].form.fields["city"].disabled
        answer = office.post(page_of(li), mine | {"age": "30"}, follow=True)
        assert f"同事修改了：城市（{author} 20" in answer.text
        assert office.post(page_of(li), again | {"age": "30"}).status_code == 302
        li.refresh_from_db()
        assert (li.city, li.degree, li.age) == ("南京", "本科", 30)

        Student.objects.filter(pk=li.pk).update(city="上海", degree="专科", age=21)
        for changes in ({}, {"degree": "本科"}):  # an untouched form writes nothing, and other fields stay
            assert office.post(page_of(li), untouched | changes).status_code == 302
        li.refresh_from_db()
        assert (li.city, li.degree, li.age) == ("上海", "本科", 21)
        assert li.description == "一\n二"  # a browser has sent it back as one CRLF two

    def test_of_a_product_leave_price_and_stock_alone(self, office, wang, stock):
        product = stock["product"]
        mine = opened(office, product).data(name="新手表", pieces="5")
        colleague_saves(wang, product, price="99.00")
        Product.objects.filter(pk=product.pk).update(stock=1)  # two were sold

        office.post(page_of(product), mine)

        product.refresh_from_db()
        assert (product.name, str(product.price), product.stock) == ("新手表", "99.00", 6)


class TestOneField:
    def test_a_time_conflicts_and_the_choice_is_saved(self, office, wang, person):
        user = person("zhao").user
        mine = opened(office, user).data(vip_expires_at_0="2030-01-02", vip_expires_at_1="03:04:05")
        colleague_saves(wang, user, vip_expires_at_0="2031-01-02", vip_expires_at_1="03:04:05")

        answer = office.post(page_of(user), mine)

        change = first_change(answer)
        assert (change.mine, change.theirs) == ("2030-01-02 03:04:05", "2031-01-02 03:04:05")
        assert office.post(page_of(user), PageForm(answer).data(nickname="x")).status_code == 200
        assert keep(office, user, answer, vip_expires_at="mine").status_code == 302
        user.refresh_from_db()
        assert user.vip_expires_at.year == 2030
        colleague_saves(wang, user, nickname="赵")
        user.refresh_from_db()
        assert user.vip_expires_at.second == 5  # the time is untouched

    def test_nonsense_is_an_error_of_the_form(self, office, wang, person):
        user = person("zhao").user
        mine = opened(office, user).data(vip_level="x", role="x", username="\x00")
        changes = {"vip_expires_at_0": "2031-01-02", "vip_expires_at_1": "03:04:05", "vip_level": "2", "nickname": "n"}
        colleague_saves(wang, user, **changes)

        forms = [mine | {"vip_expires_at_0": typed} for typed in ("", "x", "2030-99-99", "\x00")]
        answers = [office.post(page_of(user), form) for form in (*forms, {"seen": mine["seen"]})]

        for answer in answers:
            assert answer.status_code == 200 and answer.context["adminform"].form.errors

    def test_shows_both_values_and_who_saved_when_until_there_is_a_choice(self, office, wang, li):
        mine = opened(office, li).data(city="北京", degree="本科")
        colleague_saves(wang, li, city="南京", description="同事的话")

        answer = office.post(page_of(li), mine)
        again = office.post(page_of(li), PageForm(answer).data())

        for page in (answer, again):
            change, text = first_change(page), page.text
            assert (change.mine, change.theirs, change.author) == ("北京", "南京", "wang")
            assert "还没有保存" in text and change.at and change.by in text and "同事的话" in text
        li.refresh_from_db()
        assert (li.city, li.degree, li.description) == ("南京", "专科", "同事的话")
        colleague_saves(wang, li, city="上海", degree="本科")  # once more: it is asked again; one value is the same
        once_more = keep(office, li, again, city="theirs")
        assert first_change(once_more).theirs == "上海"
        assert keep(office, li, once_more, city="theirs").status_code == 302
        li.refresh_from_db()
        assert (li.city, li.degree, li.description) == ("上海", "本科", "同事的话")


def test_ticks_of_two_people_are_all_kept(office, wang, roles):
    role = roles["200"]
    role.permissions.clear()
    view, add, change = (Permission.objects.get(codename=f"{verb}_student") for verb in ("view", "add", "change"))
    role.permissions.set([view, add])
    changes = {"permissions": [str(view.pk)], "other_rows": "/gone", "buttons": ["read", "add"]}  # not to add students
    mine = opened(office, role).data(**changes)
    others = [row for row in role.rows if row != "/students/searchstu"]
    colleague_saves(wang, role, permissions=[str(row.pk) for row in (view, add, change)], rows=others, buttons=[])

    answer = office.post(page_of(role), mine, follow=True)

    assert set(role.permissions.all()) == {view, change}
    role.refresh_from_db()
    assert (set(role.rows), role.buttons) == ({*others, "/gone"}, ["add"])
    assert "后台权限（wang" in answer.text


def test_who_changed_a_data_scope_is_named_whichever_column_holds_the_change(office, wang, roles):
    role = roles["200"]
    colleague_saves(office, role, data_scope="class")
    mine = opened(office, role).data(name="别名")
    colleague_saves(wang, role, data_scope="campus")

    answer = office.post(page_of(role), mine, follow=True)

    assert "数据权限（wang" in answer.text


class TestPictures:
    def test_one_is_kept_when_the_form_has_a_mistake_and_only_if_it_is_signed(self, office, li):
        forged = opened(office, li).data(picture_stored="https://evil.example/x.png")
        answer = office.post(page_of(li), opened(office, li).data(picture=posted(encoded()), age="999"))

        for data, stored in ((forged, ""), (PageForm(answer).data(age="30"), "/media/")):
            assert office.post(page_of(li), data).status_code == 302
            li.refresh_from_db()
            assert li.headimgurl.partition("2")[0] == stored

    @pytest.mark.parametrize("choice", ["mine", "theirs"])
    def test_two_new_ones_are_shown_and_mine_need_not_be_chosen_again(self, office, wang, li, choice):
        mine = opened(office, li).data(picture=posted(encoded()), city="北京")
        colleague_saves(wang, li, picture=posted(encoded()))
        li.refresh_from_db()
        theirs = li.headimgurl

        answer = office.post(page_of(li), mine)

        change = first_change(answer)
        assert change.author == "wang" and theirs in change.theirs and "/media/" in change.mine
        assert keep(office, li, answer, picture=choice).status_code == 302
        li.refresh_from_db()
        assert (li.headimgurl == theirs) is (choice == "theirs")
        assert li.city == "北京" and li.headimgurl.rpartition("/media/")[2] in set(
            Upload.objects.filter(idle_since=None).values_list("name", flat=True)
        )


@pytest.mark.parametrize(
    ("page", "action"),
    [
        *(("students/student", action) for action in ("edit_many", "delete_selected")),
        *(("accounts/user", action) for action in ("disable", "delete_selected", "none")),
        *(("permissions/role", "delete_selected"), ("weather/weatherrecord", "delete_selected")),
        ("shop/product", "remove_selected"),
    ],
)
def test_a_crafted_selection_is_no_fault(office, stock, page, action):
    for key in ("x", "", "9" * 40, "-1", "1.5", "\x00"):
        answer = office.post(f"/admin/{page}/", {"action": action, "_selected_action": [key]})
        assert answer.status_code in {200, 302}, key


def test_pages_that_know_nothing_are_asked_about_each_difference(office, li):
    other = student(name="王五")
    other.save()
    data = opened(office, li).data(city="北京")

    for seen in ("", "x", opened(office, other).data()["seen"]):
        answer = office.post(page_of(li), data | {"seen": seen})

        form = answer.context["adminform"].form
        assert [change.name for change in form.open_changes] == ["city"] and form.kept_changes == []
        li.refresh_from_db()
        assert li.city == "重庆"
    assert keep(office, li, answer, city="mine").status_code == 302


@pytest.mark.django_db(transaction=True)
class TestAtTheSameMoment:
    @pytest.fixture
    def both(self, monkeypatch):
        """Let both open the page and save at once, after both have read the row as far as the lock lets them."""

        def both(row, *changes):
            forms = [(browser, opened(browser, row).data(**changed)) for browser, changed in changes]
            meet_at(monkeypatch, "core.admin.conflicts.MergingForm._merge")
            answers = at_once([partial(browser.post, page_of(row), data) for browser, data in forms])
            row.refresh_from_db()
            return [answer.status_code for answer in answers]

        return both

    @pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
    def test_one_of_two_wins_a_field_and_the_other_is_asked(self, office, wang, li, both, monkeypatch, is_locked):
        if not is_locked:  # one is overwritten unasked
            monkeypatch.setattr(conflicts, "lock_row", lambda row: None)

        codes = both(li, (office, {"city": "北京"}), (wang, {"city": "南京"}))

        assert sorted(codes) == ([200, 302] if is_locked else [302, 302])
        assert not is_locked or li.city == ["北京", "南京"][codes.index(302)]

    def test_ticks_set_at_the_same_moment_are_all_kept(self, office, wang, roles, both):
        role = Role.objects.create(roleid="300", name="x", buttons=[])
        mine, theirs = {"buttons": ["read"], "name": "我的"}, {"buttons": ["delete"]}

        assert both(role, (office, mine), (wang, theirs)) == [302, 302]

        assert (sorted(role.buttons), role.name) == (["delete", "read"], "我的")
