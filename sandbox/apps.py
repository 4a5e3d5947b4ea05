from django.apps import AppConfig


class SandboxConfig(AppConfig):
    name = "sandbox"
    verbose_name = "沙箱（开发用）"

    def ready(self) -> None:
        from accounts.authentication import caller_checks
        from sandbox.switches import switch_check

        caller_checks[self.name] = switch_check
