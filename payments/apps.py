from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "payments"
    verbose_name = "支付"

    def ready(self) -> None:
        from core.ops.doctor import register
        from payments.doctor import former_payments, warn_without_refunds, wechat_pay

        warn_without_refunds()
        register(wechat_pay)
        register(former_payments)
