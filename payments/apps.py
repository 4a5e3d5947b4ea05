from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "payments"
    verbose_name = "支付"

    def ready(self) -> None:
        from core.ops import restored
        from core.ops.doctor import register_check
        from payments import doctor
        from payments.services.after_restore import payments_after_restore

        doctor.warn_without_refunds()
        restored.register_restore_hook(restored.RestoreHook("payments", payments_after_restore))
        for check in doctor.CHECKS:
            register_check(check)
