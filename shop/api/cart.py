"""The caller's own cart."""

from rest_framework.response import Response

from accounts.authentication import CallerRequest
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Endpoint
from core.api.envelope import ok
from core.api.params import PageParams, page_slice
from shop import selectors
from shop.api import docs, params
from shop.api.rows import cart_row
from shop.services.cart import cart_add, cart_check, cart_remove, cart_update


class CartViewSet(ApiViewSet):
    tag = "购物车模块"

    @Endpoint(
        "POST", "/cart/check", "购物车选中商品", Access.ANY_USER, aliases=("/cart/check_cart",), docs=docs.CART_CHECK
    )
    def check(self, request: CallerRequest) -> Response:
        values = params.CartCheckParams.read(request)
        cart_check(user_pk=request.user.pk, product_ids=values["product_id"])
        return ok("选中成功")

    @Endpoint("GET", "/cart/get_cart", "获取购物车数据", Access.ANY_USER, docs=docs.CART_LIST, is_quick=True)
    def list_(self, request: CallerRequest) -> Response:
        total, page = selectors.cart_page(page_slice(**PageParams.read(request)), user_pk=request.user.pk)
        return ok("获取成功", total=total, data=[cart_row(item, request.user.unid) for item in page])

    @Endpoint(
        "GET",
        "/cart/del_prouct",
        "删除购物车商品",
        Access.ANY_USER,
        aliases=("/cart/del_product", "/cart/del_cart"),
        docs=docs.CART_REMOVE,
    )
    def remove(self, request: CallerRequest) -> Response:
        values = params.CartRemoveParams.read(request)
        cart_remove(user_pk=request.user.pk, product_ids=values["product_id"])
        return ok("删除成功")

    @Endpoint("POST", "/cart/update_cart", "更新购物车数据", Access.ANY_USER, docs=docs.CART_UPDATE)
    def update_(self, request: CallerRequest) -> Response:
        values = params.CartUpdateParams.read(request)
        quantities = [values["count"], values.get("quantity", values["count"])]
        cart_update(user_pk=request.user.pk, product_id=values["product_id"], quantities=quantities)
        return ok("修改成功")

    @Endpoint("POST", "/cart/add_to_cart", "增加商品到购物车", Access.ANY_USER, docs=docs.CART_ADD)
    def add(self, request: CallerRequest) -> Response:
        values = params.CartParams.read(request)
        cart_add(
            user_pk=request.user.pk,
            product_id=values["product_id"],
            quantity=values["count"],
            scope=request.user.scope,
            now=times.now(),
        )
        return ok("添加成功")
