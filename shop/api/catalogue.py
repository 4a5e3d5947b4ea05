"""Categories, products and the caller's own cart."""

from typing import Any

from accounts.authentication import CallerRequest
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Endpoint
from core.api.envelope import Envelope, ok
from core.api.once import done_once
from core.api.params import PageParams, page_slice
from shop import selectors
from shop.api import docs, params
from shop.api.rows import cart_row, category_row, product_row
from shop.services.cart import cart_add, cart_check, cart_remove, cart_update
from shop.services.catalogue import (
    category_create,
    category_remove,
    category_update,
    product_create,
    product_remove,
    product_update,
)
from uploads.fields import image_or_url


class CategoryViewSet(ApiViewSet):
    tag = "类目模块"

    @Endpoint("POST", "/category/addCategory", "增加类目", Access.ROWS, docs=docs.CATEGORY_ADD)
    def add(self, request: CallerRequest) -> Envelope:
        values = _with_picture(request, params.CategoryAddParams.read(request), "categoryImgurl")
        category = category_create(**values, **_staff(request))
        return ok("添加成功", category_id=category.category_id)

    @Endpoint("GET", "/category/delCategory", "删除类目(慎用)", Access.ROWS, docs=docs.CATEGORY_REMOVE)
    def remove(self, request: CallerRequest) -> Envelope:
        category_remove(**params.CategoryRemoveParams.read(request), scope=request.user.scope, now=times.now())
        return ok("删除成功")

    @Endpoint("POST", "/category/updateCategory", "修改类目", Access.ROWS, docs=docs.CATEGORY_UPDATE)
    def update_(self, request: CallerRequest) -> Envelope:
        values = _with_picture(request, params.CategoryUpdateParams.read(request), "categoryImgurl")
        category_update(**values, **_staff(request))
        return ok("修改成功")

    @Endpoint("GET", "/category/getCategory", "获取类目", Access.ANY_USER, docs=docs.CATEGORY_LIST, is_quick=True)
    def list_(self, request: CallerRequest) -> Envelope:
        total, page = selectors.category_page(page_slice(PageParams.read(request)), scope=request.user.scope)
        return ok("获取成功", total=total, data=[category_row(category) for category in page])


class ProductViewSet(ApiViewSet):
    tag = "商品模块"

    @Endpoint("POST", "/product/add_product", "添加商品", Access.ROWS, docs=docs.PRODUCT_ADD, is_once=True)
    def add(self, request: CallerRequest) -> Envelope:
        values = _with_picture(request, params.ProductAddParams.read(request), "imageUrl")
        if "image_url" not in values:
            raise params.PRODUCT_INCOMPLETE()

        def add() -> Envelope:
            product = product_create(**values, **_staff(request))
            return ok("添加成功", product_id=product.product_id)

        return done_once(request, add)

    @Endpoint("POST", "/product/update_product", "修改商品信息", Access.ROWS, docs=docs.PRODUCT_UPDATE)
    def update_(self, request: CallerRequest) -> Envelope:
        values = _with_picture(request, params.ProductUpdateParams.read(request), "imageUrl")
        product_update(**values, **_staff(request))
        return ok("修改成功")

    @Endpoint("GET", "/product/get_product", "获取商品信息", Access.ANY_USER, docs=docs.PRODUCT_LIST, is_quick=True)
    def list_(self, request: CallerRequest) -> Envelope:
        values = params.ProductListParams.read(request)
        window = page_slice(values)
        total, page = selectors.product_page(
            window, product_id=values["product_id"], category_id=values["category_id"], scope=request.user.scope
        )
        return ok("获取成功", total=total, data=[product_row(product) for product in page])

    @Endpoint("GET", "/product/del_product", "删除商品", Access.ROWS, docs=docs.PRODUCT_REMOVE)
    def remove(self, request: CallerRequest) -> Envelope:
        product_remove(**params.ProductRemoveParams.read(request), scope=request.user.scope, now=times.now())
        return ok("删除成功")


class CartViewSet(ApiViewSet):
    tag = "购物车模块"

    @Endpoint(
        "POST", "/cart/check", "购物车选中商品", Access.ANY_USER, aliases=("/cart/check_cart",), docs=docs.CART_CHECK
    )
    def check(self, request: CallerRequest) -> Envelope:
        cart_check(user_pk=request.user.pk, **params.CartCheckParams.read(request))
        return ok("选中成功")

    @Endpoint("GET", "/cart/get_cart", "获取购物车数据", Access.ANY_USER, docs=docs.CART_LIST, is_quick=True)
    def list_(self, request: CallerRequest) -> Envelope:
        total, page = selectors.cart_page(page_slice(PageParams.read(request)), user_pk=request.user.pk)
        return ok("获取成功", total=total, data=[cart_row(item, request.user.unid) for item in page])

    @Endpoint(
        "GET",
        "/cart/del_prouct",
        "删除购物车商品",
        Access.ANY_USER,
        aliases=("/cart/del_product", "/cart/del_cart"),
        docs=docs.CART_REMOVE,
    )
    def remove(self, request: CallerRequest) -> Envelope:
        cart_remove(user_pk=request.user.pk, **params.CartRemoveParams.read(request))
        return ok("删除成功")

    @Endpoint("POST", "/cart/update_cart", "更新购物车数据", Access.ANY_USER, docs=docs.CART_UPDATE)
    def update_(self, request: CallerRequest) -> Envelope:
        cart_update(user_pk=request.user.pk, **params.CartUpdateParams.read(request))
        return ok("修改成功")

    @Endpoint("POST", "/cart/add_to_cart", "增加商品到购物车", Access.ANY_USER, docs=docs.CART_ADD)
    def add(self, request: CallerRequest) -> Envelope:
        values = params.CartParams.read(request)
        cart_add(user_pk=request.user.pk, scope=request.user.scope, now=times.now(), **values)
        return ok("添加成功")


def _with_picture(request: CallerRequest, values: dict[str, Any], field: str) -> dict[str, Any]:
    """Add the picture that was sent. Call it last: a stored file stays for a day even if the request fails."""
    image_url = image_or_url(request, field)
    return values | {"image_url": image_url} if image_url else values


def _staff(request: CallerRequest) -> dict[str, Any]:
    """Return what every service asks of its caller."""
    return {"actor": request.user.username, "scope": request.user.scope, "now": times.now()}
