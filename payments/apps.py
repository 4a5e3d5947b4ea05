from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "payments"
    verbose_name = "支付"

    def ready(self) -> None:
        from core.ops import restored
        from core.ops.doctor import register_check
        from payments.doctor import bills, former_payments, warn_without_refunds, wechat_pay
        from payments.services.after_restore import payments_after_restore

        warn_without_refunds()
        restored.register_follower(restored.Follower("payments", payments_after_restore))
        register_check(wechat_pay)
        register_check(former_payments)
        register_check(bills)
