"""What beat starts, and when. The queue of each task stands at the task."""

from collections.abc import Sequence
from typing import Any

from celery.schedules import crontab


def beat_schedule(queues: Sequence[str], *, sends_alerts: bool, has_sandbox: bool) -> dict[str, dict[str, Any]]:
    """Return beat's entries. ``expires`` drops a task that has waited as long as its interval (s)."""
    schedule: dict[str, dict[str, Any]] = {
        **{
            f"heartbeat-{queue}": {
                "task": "core.heartbeat",
                "schedule": 10.0,
                "args": [queue],
                "options": {"queue": queue, "expires": 10},
            }
            for queue in queues
        },
        "count-student-months": {"task": "backoffice.count_months", "schedule": 300.0, "options": {"expires": 300}},
        "purge-expired-tokens": {"task": "accounts.purge_expired_tokens", "schedule": crontab(minute=17)},
        # Drop a sweep that has waited 6 s in the queue: later ones wait behind it and do the same.
        "expire-orders": {"task": "shop.expire_orders", "schedule": 2.0, "options": {"expires": 6}},
        "reconcile-payments": {"task": "payments.reconcile", "schedule": 15.0, "options": {"expires": 15}},
        "run-due-refunds": {"task": "payments.run_due_refunds", "schedule": 15.0, "options": {"expires": 15}},
        # Every minute: sees whether there are any and how old they are. Mostly there is nothing to do.
        "refresh-pay-certificates": {
            "task": "payments.refresh_certificates",
            "schedule": 60.0,
            "options": {"expires": 55},
        },
        # WeChat has made yesterday's bill by 10:00; the later hours repeat what has failed.
        "reconcile-bills": {
            "task": "payments.reconcile_bills",
            "schedule": crontab(minute=15, hour="10-23"),
            "options": {"expires": 3000},
        },
        "purge-payment-events": {"task": "payments.purge_events", "schedule": crontab(minute=53, hour=3)},
        "purge-login-attempts": {"task": "accounts.purge_login_attempts", "schedule": crontab(minute=29)},
        "purge-login-log": {"task": "accounts.purge_login_log", "schedule": crontab(minute=31, hour=3)},
        "purge-back-office": {"task": "backoffice.purge", "schedule": crontab(minute=37, hour=3)},
        "expire-scan-codes": {"task": "accounts.expire_scan_codes", "schedule": 5.0, "options": {"expires": 5}},
        # Often, because removed pictures make room in the budget of new ones.
        "remove-orphan-uploads": {
            "task": "uploads.remove_orphans",
            "schedule": crontab(minute="*/5"),
            "options": {"expires": 300},
        },
        "fold-student-totals": {"task": "students.fold_tally", "schedule": 10.0, "options": {"expires": 10}},
        "resume-student-transfers": {"task": "students.resume_transfers", "schedule": 30.0, "options": {"expires": 30}},
        "purge-exports": {"task": "core.purge_exports", "schedule": crontab(minute=19, hour=4)},
        "purge-student-transfers": {"task": "students.purge_transfers", "schedule": crontab(minute=11, hour=4)},
        "weather-sync": {"task": "weather.sync", "schedule": crontab(hour="*/8", minute=0)},
        # Every minute: repeats a sync that was missed or failed, as the database shows. Mostly there is nothing to do.
        "weather-sync-made-up": {"task": "weather.sync", "schedule": crontab(), "options": {"expires": 55}},
    }
    if sends_alerts:
        schedule["alert"] = {"task": "core.alert", "schedule": 300.0, "options": {"expires": 300}}
    if has_sandbox:
        schedule["sandbox-sweep"] = {"task": "sandbox.sweep", "schedule": 3.0, "options": {"expires": 6}}
        schedule["sandbox-purge"] = {"task": "sandbox.purge", "schedule": crontab(minute=43, hour=3)}
    return schedule
