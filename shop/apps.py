from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "shop"
    verbose_name = "商城"

    def ready(self) -> None:
        from core.ops import restored
        from payments.listener import PaymentListener, register_listener
        from shop.services import payment_listener
        from shop.services.after_restore import orders_after_restore

        register_listener(
            PaymentListener(
                lock=payment_listener.lock,
                on_paid=payment_listener.on_paid,
                on_refund_changed=payment_listener.on_refund_changed,
                describe=payment_listener.describe,
                is_ours=payment_listener.is_ours,
            )
        )
        restored.register_restore_hook(restored.RestoreHook("shop", orders_after_restore))
