from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

from core.api import pages
from core.observe import metrics

urlpatterns = [
    path("health/live", pages.alive),
    path("health/ready", pages.ready),
    path("metrics", metrics.export),
    path("schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]
