from django.apps import AppConfig, apps


class ShopConfig(AppConfig):
    name = "shop"
    verbose_name = "商城"

    def ready(self) -> None:
        from payments.listener import PaymentListener, listener
        from shop.services import order_paid as ours

        listener.set(PaymentListener(ours.lock, ours.on_paid, ours.on_refund_changed, ours.describe, ours.is_ours))
        if apps.is_installed("sandbox"):
            from sandbox.callers import order_numbers
            from shop.selectors import order_numbers_of

            order_numbers.set(order_numbers_of)
