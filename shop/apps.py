from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "shop"
    verbose_name = "商城"

    def ready(self) -> None:
        from core.ops import restored
        from payments.register import PaymentListener, register
        from shop.services import money_in
        from shop.services.restored import orders_follow

        register(
            PaymentListener(
                lock=money_in.lock,
                on_paid=money_in.on_paid,
                on_refund_changed=money_in.on_refund_changed,
                describe=money_in.describe,
                is_ours=money_in.is_ours,
            )
        )
        restored.register(restored.Follower("shop", orders_follow))
