from core.api.routing import ContractRouter
from shop.api.cart import CartViewSet
from shop.api.catalogue import CategoryViewSet, ProductViewSet
from shop.api.orders import OrderViewSet
from shop.api.pay import PayViewSet

router = ContractRouter()
for viewset in (CategoryViewSet, ProductViewSet, CartViewSet, OrderViewSet, PayViewSet):
    router.add(viewset)
urlpatterns = router.urls
