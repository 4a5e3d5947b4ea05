"""deploy/prometheus-rules.yml, read by Prometheus itself: each alert fires at its fault, and none without."""

import subprocess

import pytest
import yaml
from django.conf import settings

pytestmark = pytest.mark.promtool
RULES = settings.BASE_DIR / "deploy/prometheus-rules.yml"
WELL = {
    'up{job="spms",instance="a"}': "1x240",
    'spms_requests_total{outcome="200"}': "0+60x240",
    'spms_request_seconds_bucket{le="1"}': "0+60x240",
    'spms_request_seconds_bucket{le="+Inf"}': "0+60x240",
    'spms_version{version="1",instance="a"}': "1x240",
    'spms_version{version="1",instance="b"}': "1x240",
    "spms_backup_age_seconds": "0+60x240",
    "spms_archive_age_seconds": "60x240",
    "spms_weather_sync_age_seconds": "0+60x240",
    'spms_clock_ahead_seconds{instance="a"}': "-59x240",
    'spms_heartbeat_age_seconds{queue="now",instance="a"}': "10x240",
    'node_systemd_unit_state{name="spms-north-worker@now.service",state="active",instance="a"}': "1x240",
    'node_systemd_unit_state{name="nginx-web.service",state="active",instance="a"}': "0x240",
    'node_filesystem_avail_bytes{fstype="tmpfs",mountpoint="/run",instance="a"}': "1x240",
    'node_filesystem_avail_bytes{fstype="ext4",mountpoint="/",instance="a"}': "3e9x240",
    'node_filesystem_readonly{fstype="ext4",mountpoint="/",instance="a"}': "0x240",
    'probe_ssl_earliest_cert_expiry{instance="a"}': f"{60 * 86400}x240",
}
A = {"instance": "a"}
# Its name: what is different from WELL, the labels it has then, and the text that people read.
FAULTS = {
    "SpmsDown": ({'up{job="spms",instance="a"}': "0x240"}, A | {"job": "spms"}, "a 没有应答"),
    "SpmsErrors": ({'spms_requests_total{outcome="503"}': "0+6x240"}, {}, "9.091% 的请求得到 5xx"),
    "SpmsSlow": (
        {'spms_request_seconds_bucket{le="1"}': "0x240", 'spms_request_seconds_bucket{le="5"}': "0+60x240"},
        {}, "每 20 个请求有一个超过 4.8s",
    ),
    "SpmsPoolWaits": ({'spms_pool_wait_seconds_total{instance="a"}': "0+60x240"}, A, "a 的请求在等数据库连接"),
    "SpmsWorkerSilent": (
        {'spms_heartbeat_age_seconds{queue="now",instance="a"}': "61x240"}, A | {"queue": "now"},
        "队列 now 的 worker 没有动静",
    ),
    "SpmsQueueGrows": ({'spms_queue_depth{queue="now"}': "101x240"}, {"queue": "now"}, "队列 now 里有 101 个任务在等"),
    "SpmsTasksWait": (
        {f'spms_task_wait_seconds_bucket{{le="{le}",queue="now"}}': "0+60x240" for le in ("20", "+Inf")},
        {"queue": "now"}, "队列 now 的任务等 19s 才开始",
    ),
    "SpmsTasksFail": ({'spms_task_failures_total{task="t"}': "0+1x240"}, {"task": "t"}, "任务 t 一再出错"),
    "SpmsUpstreamDead": (
        {'spms_upstream_answers_total{upstream="sms",outcome="refused_dead"}': "0+1x240"}, {"upstream": "sms"},
        "sms 没有应答",
    ),
    "SpmsBillDifferences": ({"spms_bill_differences": "2x240"}, {}, "与微信的账单有 2 条差异"),
    "SpmsRefundsStuck": ({"spms_refunds_stuck": "2x240"}, {}, "2 笔退款需要人处理"),
    "SpmsPaymentsLeftOpen": ({"spms_payments_left_open": "2x240"}, {}, "2 个支付单过期一小时仍未关闭"),
    "SpmsNotificationsFail": (
        {'spms_notifications_24h{verdict="failed"}': "2x240"}, {}, "2 条支付通知处理失败",
    ),
    "SpmsClock": (
        {'spms_clock_ahead_seconds{instance="a"}': "-600x240"}, A, "a 的时钟与数据库相差 10m 0s",
    ),
    "SpmsWeatherOld": ({"spms_weather_sync_age_seconds": "39600x240"}, {}, "天气 11h 0m 0s 没有更新"),
    "SpmsTwoReleases": ({'spms_version{version="2",instance="b"}': "1x240"}, {}, "几台机器的版本不同"),
    "SpmsBackupOld": ({"spms_backup_age_seconds": "97200x240"}, {}, "最近的备份是 1d 3h 0m 0s 以前的"),
    "SpmsNoBackup": ({"spms_backup_age_seconds": "_x240"}, {}, "从来没有备份过"),
    "SpmsArchiveOld": ({"spms_archive_age_seconds": "3600x240"}, {}, "PostgreSQL 的归档 1h 0m 0s 没有写过"),
    "SpmsDisk": (
        {'node_filesystem_avail_bytes{fstype="ext4",mountpoint="/",instance="a"}': f"{1 << 30}x240"},
        A | {"fstype": "ext4", "mountpoint": "/"}, "a 的 / 只剩 1GiB",
    ),
    "SpmsUnitDown": (
        {'node_systemd_unit_state{name="spms-north-worker@now.service",state="active",instance="a"}': "0x240"},
        A | {"name": "spms-north-worker@now.service", "state": "active"}, "a 的 spms-north-worker@now.service 没有运行",
    ),
    "SpmsCertificate": (
        {'probe_ssl_earliest_cert_expiry{instance="a"}': f"{10 * 86400 + 3 * 3600}x240"}, A,
        "a 的证书还有 10d 0h 0m 0s 到期",
    ),
}  # fmt: skip


def test_each_fires_at_its_fault_and_none_without(tmp_path):
    names = [rule["alert"] for rule in yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]]
    assert names == list(FAULTS)

    def case(series, alerts):
        series = [{"series": name, "values": values} for name, values in (WELL | series).items()]
        checks = [{"eval_time": "3h", "alertname": name, "exp_alerts": alerts.get(name, [])} for name in names]
        return {"interval": "1m", "input_series": series, "alert_rule_test": checks}

    cases = [case({}, {})]
    for name, (series, labels, summary) in FAULTS.items():
        cases.append(case(series, {name: [{"exp_labels": labels, "exp_annotations": {"summary": summary}}]}))
    file = tmp_path / "cases.yml"
    # Each evaluation looks at every rule; every minute, three hours of them took twelve times as long.
    content = {"rule_files": [str(RULES)], "evaluation_interval": "15m", "tests": cases}
    file.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")

    result = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True)

    assert result.returncode == 0, result.stdout + result.stderr
