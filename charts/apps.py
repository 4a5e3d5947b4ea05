from django.apps import AppConfig


class ChartsConfig(AppConfig):
    name = "charts"
    verbose_name = "数据统计"

    def ready(self) -> None:
        # Here, because permissions.choices imports models.
        from permissions.choices import row_effects

        row_effects["/order/get_order"] = "登录用户都能调用；数据权限为“全部”的，数据统计里有了它是所有人的订单"
