"""Prices, counts and goods that came in, by sheet or percentage: looked at first, all or nothing, and taken back."""

import io
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from openpyxl import load_workbook

from core.errors import NotPermitted
from permissions.models import DataScope, Role
from permissions.scope import EVERYTHING, Scope
from shop.errors import StockShortage
from shop.models import GoodsRun, Product
from shop.services import goods
from shop.services.catalogue import product_update, vip_category_create
from shop.services.goods import GoodsRow, goods_apply, goods_prepare
from shop.tests.factories import make_category, make_order, make_product, messages, stock_of
from tests.kit import during, logged_in, meanwhile

pytestmark = pytest.mark.django_db
RUNS, START = "/admin/shop/goodsrun/", "/admin/shop/goodsrun/start/"
NOW = timezone.now()


@pytest.fixture
def bike():
    return make_product("自行车", price="100.00", stock=10, category=make_category("车辆"))


def upload(client, *lines, **typed):
    text = "\n".join(",".join(map(str, line)) for line in lines)
    return client.post(START, {"sheet": SimpleUploadedFile("十一月.csv", text.encode()), **typed}, follow=True)


def prepared(rows, user, scope=EVERYTHING):
    return goods_prepare(rows=rows, file_name="x", reason="", user_pk=user.pk, scope=scope, now=NOW)


def apply(run, scope=EVERYTHING):
    goods_apply(run=run, actor="root", scope=scope, now=NOW)


def press(client, do):
    return messages(client.post(f"{RUNS}{GoodsRun.objects.latest('pk').pk}/change/", {"do": do}, follow=True))


def shown(product):
    product.refresh_from_db()
    return str(product.price), product.stock


def test_a_sheet_goes_out_is_filled_in_looked_at_carried_out_and_taken_back(office, li, bike):
    gloves = make_product("手套", stock=5)
    sheet = load_workbook(io.BytesIO(office.get(f"{RUNS}sheet.xlsx", {"ids": f"{bike.pk},x"}).content)).active
    heads, line = ([cell.value for cell in row] for row in sheet.iter_rows())
    assert line[:5] == [bike.product_id, "自行车", "车辆", 100, 10]
    make_order(li.user, bike, 2)  # sold since the sheet was written, so not missing

    line = dict(zip(heads, line, strict=True)) | {"价格（元）": "88.50", "实盘库存": 9, "入库": 4, "原因": "破损一件"}
    new = {"商品名称": "头盔", "类目": "车辆", "价格（元）": "30", "实盘库存": 7}
    lines = [[row.get(head) if row.get(head) is not None else "" for head in heads] for row in (line, new)]
    page = upload(office, heads, *lines, reason="月末盘点").content.decode()

    assert "<del>100.00</del> <b>88.50</b>" in page and ">-1</b>" in page and "+4" in page and "新增" in page
    assert shown(bike) == ("100.00", 8) and not Product.objects.filter(name="头盔").exists()
    assert press(office, "confirm") == ["已写入 2 件商品"]
    assert shown(bike) == ("88.50", 11)
    helmet = Product.objects.get(name="头盔")
    assert (shown(helmet), helmet.category) == (("30.00", 7), bike.category)
    change = LogEntry.objects.get_for_object(bike).latest("pk")
    prices, stocks = ["100.00", "88.50"], [8, 11]
    assert change.changes == {"price": prices, "stock": stocks, "原因": ["", "月末盘点 破损一件"]}
    assert change.actor and change.remote_addr
    with CaptureQueriesContext(connection) as asked:
        assert "月末盘点" in office.get(RUNS).content.decode()
    assert not any('"shop_goodsrun"."rows"' in one["sql"] for one in asked) and press(office, "confirm") == [
        "这一批已经处理过"
    ]
    run = GoodsRun.objects.get()
    result = load_workbook(io.BytesIO(office.get(f"{RUNS}{run.pk}/result/").content)).active
    assert [cell.value for cell in result[2]][3:8] == [10, 9, -1, 4, "破损一件"]

    assert press(office, "undo") == ["已撤销 2 件商品"]

    helmet.refresh_from_db()
    assert shown(bike) == ("100.00", 8) and helmet.removed_at and stock_of(gloves) == 5
    assert press(office, "undo") == ["这一批已经撤销，或者还没有写入"] and shown(bike) == ("100.00", 8)


def test_a_new_product_has_what_was_counted_else_the_stock_of_the_sheet(bike):
    heads = ["名称", "类目", "价格", "账面库存", "实盘"]
    lines = [["头盔", "车辆", "30", "7", ""], ["手电", "车辆", "30", "7", "5"]]

    assert [row.pieces for row in goods.goods_read([heads, *lines], EVERYTHING)] == [7, 5]


def test_many_products_cost_as_many_statements_as_two(root):
    def statements(number):
        rows = goods.goods_repriced([make_product(f"第{n}件", price="10") for n in range(number)], Decimal(5))
        run = prepared(rows, root.user)
        with CaptureQueriesContext(connection) as asked:
            apply(run)
        return len(asked)

    statements(1)  # Django remembers the type of the rows

    assert statements(50) == statements(2) < 20


def test_new_products_of_a_sheet_do_not_try_one_another_s_ids(root):
    category = make_category("车辆").category_id
    rows = [GoodsRow(f"新{n}", price="10", category_id=category, arrived=1) for n in range(20)]

    def inserts():
        """Of a sheet that is confirmed at this moment."""
        with CaptureQueriesContext(connection) as asked:
            apply(prepared(rows, root.user))
        return sum(query["sql"].startswith('INSERT INTO "shop_product"') for query in asked)

    assert (inserts(), inserts()) == (20, 25)  # the first id of the second sheet is sought: 4² < 20 <= 5²
    assert Product.objects.count() == 40


def test_a_percentage_changes_the_chosen_and_rounds_to_fen(office, bike):
    cheap, half, other = (make_product(price=price) for price in ("0.01", "1.24", "9.99"))
    chosen = {"action": "goods_chosen", "_selected_action": [bike.pk, cheap.pk, half.pk]}
    start = office.post("/admin/shop/product/", chosen).url

    office.post(start, {"percent": "-12.5"})

    assert press(office, "confirm") == ["已写入 2 件商品"]  # one fen stays one fen
    assert [shown(one)[0] for one in (bike, cheap, half, other)] == ["87.50", "0.01", "1.09", "9.99"]  # 1.085


@pytest.mark.parametrize(
    ("heads", "line", "error"),
    [
        ("商品编号", ["2020"], "没有这个商品编号"),
        ("商品名称 价格", ["自行车", "free"], "价格（元）：输入一个数字。"),
        ("商品名称 价格", ["自行车", "9.001"], "价格（元）：确认小数不超过"),
        ("商品名称 价格", ["自行车", "NaN"], "价格（元）：输入一个数字。"),
        ("商品名称 价格", ["自行车", "1e9"], "价格（元）：确认"),
        ("商品名称 价格", ["自行车", '"1,29"'], "价格（元）：输入一个数字。"),
        ("商品名称 实盘", ["自行车", '"1,29"'], "实盘库存：输入整数。"),
        ("商品名称 价格", ["自行\x00车", "1"], "商品名称：不允许"),
        ("商品名称 实盘", ["自行车", "-1"], "实盘库存：确保该值大于或等于0。"),
        ("商品名称 入库", ["自行车", "9" * 12], "入库：确保该值小于或等于2000000000。"),
        ("商品名称 入库", ["双胞胎", "1"], "有 2 件商品叫这个名称"),
        ("商品名称 价格 类目 实盘 入库", ["新的", "9", "车辆", "2000000000", "1"], "库存最多 2000000000 件"),
        ("商品名称 价格 类目", ["新的", "9", "没有"], "要新增，请填名称、价格和一个已有的类目"),
    ],
)
def test_a_line_that_says_nothing_clear_is_named_and_nothing_is_written(office, bike, heads, line, error):
    for _ in range(2):
        make_product("双胞胎")
    page = upload(office, heads.split(), line, ["自行车", "120"]).content.decode()

    assert error in page and "有错误" in page and "确认写入" not in page
    assert "：" in press(office, "confirm")[0] and shown(bike) == ("100.00", 10)


def test_what_two_people_count_is_missing_once(office, bike):
    sheet = [["商品名称", "账面库存", "实盘库存"], ["自行车", 10, 9]]
    upload(office, *sheet)
    first = GoodsRun.objects.get()
    assert "已经盘点过" not in upload(office, *sheet).content.decode()  # neither is written yet

    assert press(office, "confirm") == ["已写入 1 件商品"]

    refusal = office.post(f"{RUNS}{first.pk}/change/", {"do": "confirm"}, follow=True)
    assert messages(refusal) == ["同事刚刚盘点过：自行车。请重新下载商品表再盘点"] and shown(bike)[1] == 9
    assert "<b>一天之内已经盘点过</b>自行车" in upload(office, *sheet).content.decode()
    assert "已经盘点过" not in upload(office, ["商品名称", "入库"], ["自行车", 3]).content.decode()
    assert press(office, "confirm") == ["已写入 1 件商品"] and shown(bike)[1] == 12


@pytest.mark.parametrize("text", ["￥1299", "¥ 1,299.00", "１，２９９元", "1,299"])
def test_a_price_is_read_with_its_currency_and_thousands(office, bike, text):
    upload(office, ["商品名称", "价格", "实盘"], ["自行车", f'"{text}"', '"1,010"'])

    assert press(office, "confirm") == ["已写入 1 件商品"] and shown(bike) == ("1299.00", 1010)


def test_a_price_is_written_plainly_and_stays_within_its_bounds(office, bike):
    page = upload(
        office, ["商品名称", "价格", "类目"], ["自行车", "1e5", ""], *[["新的", "9", "车辆"]] * 2
    ).content.decode()
    assert "<b>100000.00</b>" in page and "这件商品上面已经有一行" in page
    Product.objects.update(price="99999999.99")
    assert "价格太大" in office.post(START, {"percent": "900"}, follow=True).content.decode()
    assert press(office, "confirm") == ["自行车：价格太大"]


def test_more_than_one_page_takes_is_told(office, bike, monkeypatch):
    make_product()
    monkeypatch.setattr("shop.admin.goods.MAX_ROWS", 1)
    monkeypatch.setattr("shop.admin.catalogue.MAX_CHOSEN", 1)
    assert "一次最多 1 件" in office.get(START).content.decode()
    everything = {"action": "goods_chosen", "_selected_action": Product.objects.values_list("pk", flat=True)}
    assert "一次最多选 1 件" in messages(office.post("/admin/shop/product/", everything, follow=True))[0]


def test_what_is_no_sheet_of_goods_or_changes_nothing_is_refused(office, bike, monkeypatch):
    monkeypatch.setattr("shop.services.goods.MAX_ROWS", 1)

    assert "第一行要有" in messages(upload(office, ["x"], ["y"]))[0]
    assert "没有要修改的" in messages(upload(office, ["商品名称", "价格"], ["自行车", "100"]))[0]
    assert "最多 1 行" in messages(upload(office, ["商品名称"], ["自行车"], ["自行车"]))[0]
    for typed in ({}, {"percent": "x"}, {"percent": "-91"}, {"percent": "0"}):
        assert "tr-error" in office.post(START, typed).content.decode()
    assert not GoodsRun.objects.exists()


def test_what_has_changed_since_the_preview_is_left_alone_with_the_rest(office, li, bike):
    gloves = make_product("手套", stock=3)
    upload(office, ["商品名称", "价格", "账面", "实盘"], ["自行车", "90", "", ""], ["手套", "", "3", "0"])
    make_order(li.user, gloves, 1)
    assert press(office, "confirm") == ["手套：库存现有2件，不能调整-3件"]
    product_update(product_id=bike.product_id, price=Decimal(95), actor="wang", now=NOW)
    Product.objects.filter(pk=gloves.pk).update(stock=3)
    assert press(office, "confirm") == ["自行车：同事刚把价格改成了 95.00"]
    Product.objects.filter(pk=bike.pk).update(removed_at=NOW)
    assert press(office, "confirm") == ["自行车：已经下架"]
    assert stock_of(gloves) == 3 and GoodsRun.objects.get().state == "ready"


def test_only_who_may_change_products_in_sight_comes_in(office, clerk, person, bike):
    upload(office, ["商品名称", "入库"], ["自行车", "1"])
    address = f"{RUNS}{GoodsRun.objects.get().pk}/change/"
    packer = clerk("view", "ship")
    for path in (RUNS, START, f"{RUNS}sheet.xlsx", address):
        assert packer.get(path).status_code == 403
    wang = person("wang", "102", is_staff=True)
    wang.user.role.data_scope = DataScope.CHANGE_OWN
    wang.user.role.save()
    browser = logged_in(wang.user)
    upload(browser, ["商品名称", "入库"], ["自行车", "1"])
    assert browser.get(address).status_code == 404  # another's
    assert "没有权限" in press(browser, "confirm")[0] and stock_of(bike) == 10


def test_a_narrowed_role_gives_vip_time_no_other_price_even_if_it_entered_it(lbw):
    vip = make_product("VIP", category=vip_category_create(actor="root", now=NOW))
    Product.objects.update(created_by=lbw.user)
    vip.refresh_from_db()
    scope = Scope(DataScope.CHANGE_OWN, lbw.user.pk)
    run = prepared(goods.goods_repriced([vip], Decimal(-50)), lbw.user, scope)

    with pytest.raises(NotPermitted):
        apply(run, scope)


def test_a_run_is_closed_once_its_person_sees_less_or_may_not_change_products(person, bike):
    wang = person("wang", "102", is_staff=True).user
    browser = logged_in(wang)
    upload(browser, ["商品名称", "入库"], ["自行车", "1"])
    pages = [f"{RUNS}{GoodsRun.objects.get().pk}/{page}/" for page in ("change", "result", "progress")]

    def answers():
        return [browser.get(page).status_code for page in pages], "十一月" in browser.get(RUNS).content.decode()

    assert answers() == ([200] * 3, True)
    Role.objects.filter(pk=wang.role.pk).update(data_scope=DataScope.OWN)
    assert answers() == ([404] * 3, False)
    Role.objects.filter(pk=wang.role.pk).update(data_scope=DataScope.ALL)
    wang.role.permissions.remove(*Permission.objects.filter(codename="change_product"))
    assert answers() == ([403] * 3, False)


def test_who_may_not_add_products_neither_adds_them_by_a_run_nor_takes_that_back(office, person, bike):
    wang = person("wang", "102", is_staff=True).user
    wang.role.permissions.remove(*Permission.objects.filter(codename="add_product"))
    browser = logged_in(wang)
    upload(office, ["商品名称", "类目", "价格（元）", "库存"], ["头盔", "车辆", "30", "7"])
    address = f"{RUNS}{GoodsRun.objects.get().pk}/change/"

    def tries(do):
        return 'name="do"' in browser.get(address).content.decode(), browser.post(address, {"do": do}).status_code

    assert tries("confirm") == (False, 403)
    press(office, "confirm")
    assert tries("undo") == (False, 403) and Product.objects.filter(removed_at=None).count() == 2
    press(office, "undo")
    assert Product.objects.filter(removed_at=None).count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_the_last_two_pieces_are_not_ordered_while_they_are_counted_away(li, monkeypatch, is_locked):
    bike = make_product("自行车", stock=2)
    run = prepared([GoodsRow("自行车", bike.pk, bike.product_id, expected=2, counted=0)], li.user)
    if not is_locked:
        monkeypatch.setattr(goods, "products_lock", lambda *, pks, scope: Product.objects.in_bulk(pks))
    order = partial(make_order, li.user, bike, 2, now=NOW + timedelta(seconds=1))

    ordered = meanwhile(monkeypatch, "shop.services.goods.stock_adjusted", order)
    apply(run)

    assert isinstance(ordered(), StockShortage) == is_locked
    assert stock_of(bike) == 0  # in the twin four pieces went of two


@pytest.mark.django_db(transaction=True)
def test_a_product_that_a_colleague_moves_to_another_category_meanwhile_gets_its_price(root, bike):
    other, run = make_category("特价"), prepared(goods.goods_repriced([bike], Decimal(5)), root.user)

    def move():
        product_update(product_id=bike.product_id, category_id=other.category_id, actor="root", now=NOW)

    during(move, lambda: apply(run))

    assert shown(bike) == ("105.00", 10) and bike.category == other
