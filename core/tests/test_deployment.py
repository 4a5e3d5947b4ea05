"""The files beside the code fit to it: each queue has its worker, and each figure that is asked for exists."""

import json
import re
import subprocess
import sys
import threading

import pytest
import yaml
from django.conf import settings
from django.db import transaction
from prometheus_client import REGISTRY

from config.celery import app
from core.observe import metrics
from core.queues import QUEUES, task_send
from devstack.supervisor import WORKERS
from tests.kit import at_once


@pytest.fixture(scope="module")
def tasks():
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}


def test_every_task_has_a_queue_and_beat_and_services_send_tasks_that_there_are(tasks):
    names = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    for app_folder in {name.split(".")[0] for name in tasks}:
        for path in (settings.BASE_DIR / app_folder).rglob("*.py"):
            names |= set(re.findall(r"task_send\(\s*\"([\w.]+)\"", path.read_text("utf-8")))

    assert "payments.run_refund" in names and names <= set(tasks)
    assert {getattr(task, "queue_name", name) for name, task in tasks.items()} <= set(QUEUES)


@pytest.mark.parametrize(
    ("name", "args", "queue"),
    [
        ("payments.run_refund", [1], "money"),
        ("shop.expire_orders", [], "money"),
        ("students.transfer_work", [1], "bulk"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_a_service_sends_a_task_where_its_worker_is(monkeypatch, name, args, queue):
    published = []
    monkeypatch.setattr(
        app.amqp, "send_task_message", lambda *args, queue, **_: published.append((args[1], queue.name))
    )

    with transaction.atomic():
        task_send(name, *args)
        assert published == []

    assert published == [(name, queue)]


@pytest.mark.django_db(transaction=True)
def test_the_first_two_tasks_of_a_process_are_sent_at_the_same_instant(monkeypatch, tasks):
    """While one thread imports the tasks, Celery lets the import of another return at once, with nothing imported."""
    name, published, importing, second = "payments.run_refund", [], threading.Lock(), threading.Event()

    def import_tasks():
        if not importing.acquire(blocking=False):
            second.set()
            return
        second.wait(0.5)
        app.tasks[name] = tasks[name]
        importing.release()

    monkeypatch.setattr(app.amqp, "send_task_message", lambda *args, **_: published.append(args[1]))
    monkeypatch.setattr(app.loader, "import_default_modules", import_tasks)
    monkeypatch.delitem(app.tasks, name)
    at_once([lambda: task_send(name, 1)] * 2)

    assert published == [name, name]


def test_every_queue_has_a_worker_in_each_way_to_run():
    compose = (settings.BASE_DIR / "deploy/compose.yaml").read_text("utf-8")
    guide = (settings.BASE_DIR / "docs/going-live.md").read_text("utf-8")

    assert set(WORKERS) == set(QUEUES)
    assert set(re.findall(r"worker@(\w+)]", compose)) == set(QUEUES)
    assert set(re.search(r"spms-worker@\{([\w,]+)\}", guide)[1].split(",")) == set(QUEUES)


def test_what_containers_replace_in_the_nginx_file_stands_there():
    script, text = ((settings.BASE_DIR / "deploy" / name).read_text("utf-8") for name in ("nginx-start", "nginx.conf"))
    sed = script[: script.index("/spms/nginx.conf")]
    patterns = [pattern for _, pattern in re.findall(r"[\" ]s([/#])(.+?)\1", sed)]

    assert len(patterns) == 5 and [pattern for pattern in patterns if not re.search(pattern, text)] == []


def test_services_keep_their_figures_in_one_folder_in_memory():
    """On a full disk whoever writes to a mapped file ends by SIGBUS; and a scrape adds up the files of one folder."""
    for file in (settings.BASE_DIR / "deploy/systemd").glob("*.service"):
        if "[Install]" in (text := file.read_text("utf-8")):
            assert "\nRuntimeDirectory=spms/metrics\nRuntimeDirectoryPreserve=yes\n" in text, file.name


def test_every_release_is_found_by_its_version():
    root = settings.BASE_DIR
    lines = (root / "deploy/releases").read_text("utf-8").splitlines()[1:]

    for name, commit in map(str.split, lines):
        command = ["git", "-C", str(root), "show", f"{commit}:config/settings/base.py"]
        assert re.search(f'VERSION"?[ =:]+"{name[1:]}"', subprocess.check_output(command, text=True))


def written_files(folder, name, first_port, more=""):
    """Return the units and the nginx file as ``deploy/upgrade`` writes them for a school."""
    (folder / name).symlink_to(settings.BASE_DIR)
    (folder / "env").write_text(f"FIRST_PORT={first_port}\n{more}")
    environ = {"PATH": "/usr/bin:/bin", "APP": str(folder / name), "ENV_FILE": str(folder / "env")}
    target = folder / f"{name}-files"
    script = str(settings.BASE_DIR / "deploy/upgrade")
    subprocess.run(["bash", script, "--files", str(target)], env=environ, check=True)
    return {path.name: path.read_text("utf-8") for path in target.rglob("*.*") if path.is_file()}


def test_another_school_on_the_machine_has_names_and_ports_of_its_own(tmp_path):
    deploy = settings.BASE_DIR / "deploy"
    ours = {
        path.name: path.read_text("utf-8") for path in [*(deploy / "systemd").glob("spms-*"), deploy / "nginx.conf"]
    }

    north = written_files(tmp_path, "spms-north", 8021)

    assert written_files(tmp_path, "spms", 8001) == ours
    names = {name.replace("spms-", "spms-north-") for name in ours if "backup" not in name}
    assert set(north) == names and names
    text = "".join(north.values()).replace("/etc/spms/spms-north.env", "")
    assert set(re.findall(r"\bspms[\w-]*", text)) <= {
        *("spms-north", "spms_north_web", "spms_north_socket", "spms_north_path", "spms-north-web"),
    }
    assert set(re.findall(r"\b80\d\d\b", text)) == {"8021", "8022"}


def test_a_small_school_has_two_processes(tmp_path):
    files = written_files(tmp_path, "spms-north", 8021, "SMALL=1\n")

    units = {name: files[name] for name in files if "[Install]" in files[name] and name.endswith(".service")}
    web, worker = units["spms-north-web.service"], units["spms-north-worker@.service"]
    assert len(units) == 2 and "spms-north-web.socket" in files
    for option in ("--interface asgi", "--ws", "--workers 1", "config.asgi:application", "--port 8021"):
        assert f" {option}" in web
    assert not re.search("no-ws|wsgi|blocking-threads", web.partition("ExecStart=")[2].partition("\n")[0])
    assert f"-Q {','.join(QUEUES)} --beat " in worker and "--pool threads" in worker
    assert set(re.findall(r"\b80\d\d\b", files["nginx.conf"])) == {"8021"}


def test_a_release_takes_the_packages_of_a_folder_with_the_same_list(tmp_path):
    """``make install`` is left out. What the next release changes later must not change the folder of before."""
    app = tmp_path / "spms"
    (app / ".venv/bin").mkdir(parents=True)
    (app / ".venv/bin/python").symlink_to(sys.executable)
    files = {"requirements.txt": "a==1", ".venv/pyvenv.cfg": "", ".venv/library.py": "1", ".venv/ready": ""}
    for name, text in files.items():
        (app / name).write_text(text)
    (app / ".venv/bin/celery").write_text("#!/opt/spms-north/.venv/bin/python\n")
    for name, requirement in {"same": "a==1", "other": "a==2"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.txt").write_text(requirement)
    script = (settings.BASE_DIR / "deploy/upgrade").read_text("utf-8").removesuffix('main "$@"; exit\n')
    script += f"with_release() {{ :; }}; packages {tmp_path}/same; packages {tmp_path}/other"

    subprocess.run(["bash", "-c", script], env={"PATH": "/usr/bin:/bin", "APP": str(app)}, check=True)

    venv = tmp_path / "same/.venv"
    assert (venv / "library.py").samefile(app / ".venv/library.py")
    assert not (venv / "ready").samefile(app / ".venv/ready")
    assert (venv / "bin/celery").read_text() == f"#!{app}/.venv/bin/python\n"
    assert (app / ".venv/bin/celery").read_text() == "#!/opt/spms-north/.venv/bin/python\n"
    assert (venv / "ready").stat().st_mtime >= (tmp_path / "same/requirements.txt").stat().st_mtime
    assert not (tmp_path / "other/.venv").exists()


@pytest.mark.django_db
def test_every_figure_that_is_asked_for_exists():
    deploy = settings.BASE_DIR / "deploy"
    rules = yaml.safe_load((deploy / "prometheus-rules.yml").read_text("utf-8"))["groups"][0]["rules"]
    panels = json.loads((deploy / "grafana-dashboard.json").read_text("utf-8"))["panels"]
    queries = [rule["expr"] for rule in rules] + [target["expr"] for panel in panels for target in panel["targets"]]
    names = set(re.findall(r"^# TYPE (\w+) ", metrics.exposition().decode(), re.M))
    for family in REGISTRY.collect():
        names |= {family.name + end for end in ("", "_total", "_bucket", "_sum", "_count")}
    # Where there is nothing to count yet.
    names |= {"spms_weather_sync_age_seconds", "spms_heartbeat_age_seconds"}
    names |= {"spms_backup_age_seconds", "spms_archive_age_seconds"}

    assert set(re.findall(r"\bspms_\w+", " ".join(queries))) - names == set()
