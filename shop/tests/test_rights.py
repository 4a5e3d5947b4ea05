"""Each step of an order needs its right, on the server: a hidden button is no lock."""

import pytest

from accounts.models import User
from permissions.models import DataScope, Role
from shop.admin.order_steps import BUTTONS
from shop.models import Order
from shop.tests.factories import ORDERS, PACKING, hidden, page_of, ship

pytestmark = pytest.mark.django_db
STEPS = {
    "change": "close invalidate receiver remark invoice flag unflag",
    "ship": "ship unship prepare unprepare receive unreceive parcel",
    "decide": "agree arrived approve approve_now reject return_number",
    "refund": "refund refund_part refund_again",
}
RIGHTS = {name: right for right, names in STEPS.items() for name in names.split()}
ONE_OF_EACH = {"change": "receiver", "ship": "ship", "decide": "reject", "refund": "refund"}


@pytest.fixture
def order(paid):
    return paid()


def facts(order):
    return Order.objects.filter(pk=order.pk).values().get(), order.logs.count()


@pytest.mark.parametrize("right", [*STEPS, None])
def test_a_crafted_request_does_only_what_the_right_allows(clerk, order, right):
    browser = clerk(*filter(None, ["view", right]))
    before = facts(order)
    form = {"sure": "1", "reason": "x", "express_company": "", "amount": "1", "refunds_seen": "0"}

    for button in BUTTONS:
        if RIGHTS[button.name] != right:
            assert browser.post(page_of(order), form | {f"step_{button.name}": "1"}).status_code == 403, button.name
    for name in ONE_OF_EACH.values():  # the same rights count in the list
        if RIGHTS[name] != right:
            assert browser.post(ORDERS, form | {"press": f"{name}:{order.pk}"}).status_code == 403
            browser.post(ORDERS, form | {"action": name, "_selected_action": [order.pk]})
    assert facts(order) == before


def test_a_page_of_many_orders_reaches_none_outside_the_data_scope(office, clerk, paid, person):
    order, own = ship(paid(), express_no="SF1"), ship(paid(), express_no="SF2")
    browser = clerk("view", "ship")
    clerk_user = User.objects.get(username="clerk")
    Role.objects.filter(pk=clerk_user.role_id).update(data_scope=DataScope.OWN)
    Order.objects.filter(pk=own.pk).update(user=clerk_user)
    chosen = {"_selected_action": [order.pk, own.pk]}
    form = hidden(office.post(ORDERS, chosen | {"press": "parcel:"})) | chosen  # with what root's page carries
    del form["press"]
    for row in (order, own):
        form |= {f"express_company_{row.pk}": ":later", f"courier_fee_{row.pk}": "5"}
    before = facts(order)

    pages = [browser.post(ORDERS, form | {"press": f"parcel:{order.pk}"}), browser.post(page_of(order), form)]
    for way in ({"press": "parcel:"}, {"action": "parcel", "select_across": "1"}):
        asked = browser.post(ORDERS, chosen | way)
        pages.append(browser.post(ORDERS, form | way))
        assert order.order_id not in asked.content.decode()

    assert facts(order) == before and Order.objects.get(pk=own.pk).courier_fee == 5
    assert not [page for page in pages if order.order_id in page.content.decode()]


@pytest.mark.parametrize(
    ("rights", "status"), [(("decide",), 403), (("refund",), 403), (("decide", "refund"), 302)], ids=str
)
def test_to_approve_a_return_takes_the_right_to_refund_as_well(clerk, returned, rights, status):
    returned = returned()
    browser, address = clerk("view", *rights), page_of(returned)
    before = facts(returned)

    pages = [browser.get(address), browser.get(ORDERS, {"work": "returns"})]
    pressed = browser.post(ORDERS, {"press": f"approve_now:{returned.pk}", "sure": "1"})

    assert pressed.status_code == status and (facts(returned) == before) == (status == 403)
    for page in pages:
        assert ("同事来办" in page.content.decode()) == (rights == ("decide",))


@pytest.mark.parametrize("right", STEPS)
def test_each_right_opens_its_steps_and_shows_no_others(clerk, paid, returned, right):
    order = returned() if right == "decide" else paid()
    browser = clerk("view", right)
    address = page_of(order)

    page = browser.get(address).content.decode()
    question = browser.post(address, {f"step_{ONE_OF_EACH[right]}": "1"})

    shown = {name for name in RIGHTS if f'name="step_{name}"' in page}
    assert ONE_OF_EACH[right] in shown <= {*STEPS[right].split()}
    assert question.status_code == 200 and 'name="sure"' in question.content.decode()
    if right == "refund":  # nor do the lists, and the papers, offer more
        row = browser.get(ORDERS, {"work": "ship"}).content.decode()
        assert f'value="ship:{order.pk}"' not in row and f'value="packing:{order.pk}"' in row
        paper = browser.get(f"{PACKING}?ids={order.pk}").content.decode()
        assert order.order_id in paper and "全部发货" not in paper


def test_a_right_without_the_right_to_look_opens_nothing(clerk, order):
    browser = clerk("ship", "decide", "refund", "export")
    before = facts(order)

    papers = f"{PACKING}?ids={order.pk}", f"{ORDERS}{order.pk}/packing/"
    answers = [browser.get(address) for address in (ORDERS, page_of(order), *papers)]
    answers += [browser.post(ORDERS, {"press": f"{name}:{order.pk}", "sure": "1"}) for name in ("ship", "packing")]
    answers += [browser.post(page_of(order), {"step_ship": "1", "sure": "1"})]

    assert {answer.status_code for answer in answers} == {403}
    assert facts(order) == before
