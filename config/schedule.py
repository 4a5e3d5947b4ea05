"""What beat starts, and when. The queue of each task stands at the task."""

from typing import Any

from celery.schedules import crontab

from core.queues import QUEUES


def _entry(task: str, schedule: Any, expires_s: int | None = None, **options: Any) -> dict[str, Any]:
    """Return beat's entry. A task that has waited ``expires_s`` in its queue is dropped: a later one does the same."""
    return {"task": task, "schedule": schedule, "options": {"expires": expires_s} if expires_s else {}} | options


def beat_schedule(*, has_sandbox: bool, is_practice: bool) -> dict[str, dict[str, Any]]:
    schedule = {
        "purge-expired-tokens": _entry("accounts.purge_expired_tokens", crontab(minute=17)),
        "expire-orders": _entry("shop.expire_orders", 2.0, 6),
        "reconcile-payments": _entry("payments.reconcile", 15.0, 15),
        "run-due-refunds": _entry("payments.run_due_refunds", 15.0, 15),
        # Sees whether there are any and how old they are. Mostly there is nothing to do.
        "refresh-pay-certificates": _entry("payments.refresh_certificates", 60.0, 55),
        # WeChat has made yesterday's bill by 10:00; the later hours repeat what has failed.
        "reconcile-bills": _entry("payments.reconcile_bills", crontab(minute=15, hour="10-23"), 3000),
        "purge-payment-events": _entry("payments.purge_events", crontab(minute=53, hour=3)),
        "purge-login-attempts": _entry("accounts.purge_login_attempts", crontab(minute=29)),
        "purge-login-log": _entry("accounts.purge_login_log", crontab(minute=31, hour=3)),
        "purge-back-office": _entry("backoffice.purge", crontab(minute=37, hour=3)),
        "purge-orders": _entry("shop.purge_orders", crontab(minute=47, hour=3)),
        "expire-scan-codes": _entry("accounts.expire_scan_codes", 2.0, 10),
        "sweep-attendance": _entry("attendance.sweep", 2.0, 10),
        # Often, because removed pictures make room in the budget of new ones.
        "remove-orphan-uploads": _entry("uploads.remove_orphans", crontab(minute="*/5"), 300),
        "fold-student-totals": _entry("students.fold_tally", 10.0, 10),
        "resume-student-transfers": _entry("students.resume_transfers", 30.0, 30),
        "purge-kept-answers": _entry("core.purge_answers", crontab(minute=21, hour=4)),
        "purge-exports": _entry("core.purge_exports", crontab(minute=19, hour=4)),
        "purge-student-transfers": _entry("students.purge_transfers", crontab(minute=11, hour=4)),
        "weather-sync": _entry("weather.sync", crontab(hour="*/8", minute=0)),
        # Repeats a sync that was missed or failed, as the database shows. Mostly there is nothing to do.
        "weather-sync-made-up": _entry("weather.sync", crontab(), 55),
    }
    for queue in QUEUES:
        schedule[f"heartbeat-{queue}"] = _entry(
            "core.heartbeat", 10.0, args=[queue], options={"queue": queue, "expires": 10}
        )
    if has_sandbox:
        schedule["lessons-keep"] = _entry("lessons.keep_progress", crontab(minute=7), 3000)
        schedule["sandbox-sweep"] = _entry("sandbox.sweep", 3.0, 6)
        schedule["sandbox-purge"] = _entry("sandbox.purge", crontab(minute=43, hour=3))
    if is_practice:
        schedule["clear-practice-accounts"] = _entry("practice.clear", crontab(minute=7), 3000)
    return schedule
