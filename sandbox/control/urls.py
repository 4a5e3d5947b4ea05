from django.urls import path

from sandbox.control import api, pages

urlpatterns = [
    path("", pages.index, name="index"),
    path("faults/", pages.faults, name="faults"),
    path("deliveries/<int:pk>/send/", pages.delivery_send_now, name="delivery_send_now"),
    path("control/faults", api.faults),
    path("control/pay", api.pay),
    path("control/deliver", api.deliver),
    path("control/trades", api.trades),
    path("control/calls", api.calls),
    path("calls/", pages.calls, name="calls"),
]
