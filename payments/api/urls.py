from core.api.routing import ContractRouter

router = ContractRouter()
urlpatterns = router.urls
