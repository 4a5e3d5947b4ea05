from core.api.routing import ContractRouter
from students.api.views import StudentViewSet

router = ContractRouter()
router.add(StudentViewSet)
urlpatterns = router.urls
