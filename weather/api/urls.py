from core.api.routing import ContractRouter
from weather.api.views import WeatherViewSet

router = ContractRouter()
router.add(WeatherViewSet)
urlpatterns = router.urls
