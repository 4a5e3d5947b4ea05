from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "shop"
    verbose_name = "商城"

    def ready(self) -> None:
        from core.ops import restored
        from payments.listener import PaymentListener, register_listener
        from shop.services import payment_listener as ours
        from shop.services.after_restore import orders_after_restore

        register_listener(PaymentListener(ours.lock, ours.on_paid, ours.on_refund_changed, ours.describe, ours.is_ours))
        restored.register_restore_hook(restored.RestoreHook("shop", orders_after_restore))
