"""Run the code of an earlier commit against a database that this tree has migrated, and make its calls.

    python -m tests.last_release [COMMIT]     # else the last release

Hosts are upgraded one after another, so a release works for some minutes on the tables of the next one. What fails on
the tables that the commit itself makes fails for another reason, and is left out. By hand, because a shallow clone has
no history.
"""

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests

from core.ops import units
from devstack.engines import Engines
from payments.tests.fake_wechat import WeChat
from tests.journeys.conftest import Running
from tests.journeys.document import CALLS, Made
from tests.journeys.test_document import World
from tests.kit import PageForm, free_ports
from tests.processes import NOBODY, ROOT, Service, until

LAST_RELEASE = "096ad0d"  # 1.0.0; the tables that it relies on are in last_release.json
PASSWORD = "last-release-root-9"
SHEET = "学号,班级,姓名,年龄,城市,学历,项目地址,自我评价\n,H51999,旧版,20,重庆,本科,地址,你好\n"
WAIT_S = 40
Tree = tuple[Path, Path]  # a Python, and the code that it runs


def tree_of(commit: str, folder: Path) -> Tree:
    """Unpack ``commit`` into ``folder``; give it an environment of its own if its requirements are not ours."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    if (folder / "requirements.txt").read_bytes() == (ROOT / "requirements.txt").read_bytes():
        return Path(sys.executable), folder
    subprocess.run(["make", "install", f"PYTHON={sys.executable}"], cwd=folder, check=True)
    return folder / ".venv" / "bin" / "python", folder


@contextmanager
def served(tree: Tree, home: Path, environ: dict[str, str]) -> Iterator[str]:
    """Start web and workers as the tree's own ``deploy/systemd`` says; the value is their address."""
    (python, folder), port, running = tree, free_ports(1)[0], []
    try:
        has_queues = (folder / "deploy/systemd/spms-worker@.service").exists()
        names = {"web": ["--port", str(port)], "worker@money,now,bulk" if has_queues else "worker": []}
        for name, more in names.items():
            command = units.command(name, *more, python=str(python), root=folder)
            running.append(Service(command, environ, home / "services.log", cwd=folder))
        base = f"http://127.0.0.1:{port}"
        running[0].wait_until(lambda: requests.get(f"{base}/health/live", timeout=5).ok)
        yield base
    finally:
        for process in running:
            process.end()


class PatientWeChat(WeChat):
    """The strict provider, but like WeChat Pay itself it reads XML whatever type its sender names."""

    def v2(self, operation: str, content_type: str, raw: bytes) -> Any:
        return super().v2(operation, "text/xml", raw)


class Visitor(World):
    """A trainee who makes every call of the document, and root in the back office."""

    password = "last-release-9"  # early releases wanted more than the document's 555

    def __init__(self, running: Running, wechat: WeChat) -> None:
        self.wechat, self.staff = wechat, requests.Session()
        super().__init__(running)

    def made_paid(self) -> str:
        order = self.made_order()
        self.ask("POST", "/pay/payment", order_id=order)
        self.wechat.pay(order)
        notice, kind = self.wechat.notice_v2(order), {"Content-Type": "text/xml"}
        assert b"SUCCESS" in requests.post(f"{self.base}/pay/payResult", notice, headers=kind, timeout=20).content
        return order

    def page(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> requests.Response:
        """Open a page, or open it and send its form."""
        url = self.base + path
        answer = self.staff.get(url, timeout=20)
        if data is not None and answer.ok:
            data = PageForm(answer).data(csrfmiddlewaretoken=self.staff.cookies["csrftoken"]) | data
            answer = self.staff.post(url, data, headers={"Referer": url}, timeout=20, **more)
        assert answer.ok and "/admin/login" not in answer.url, f"{answer.status_code} {answer.url}"
        return answer

    def call(self, call: Any) -> None:
        if call.who == "passer-by":
            self.come_in()
        if call.before:
            self.value(Made(call.before), call.who)
        answer = self.send(call.method, call.path, self.values(call.needs | call.takes, call.who), call.who)
        assert answer["state"] is call.ok["state"], answer

    def refund(self) -> None:
        order = self.made_paid()
        self.ask("POST", "/order/returns", order_id=order)
        refunds = self.wechat.refunds
        assert until(lambda: any(r["out_trade_no"] == order for r in refunds.values()), WAIT_S), "nothing given back"

    def product_save(self) -> None:
        path = re.search(r"/admin/shop/product/\d+/change/", self.page("/admin/shop/product/").text)[0]
        self.page(path, {"description": "旧版保存"})
        assert "旧版保存" in self.page(path).text

    def student_import(self) -> None:
        file = {"file": ("新学员.csv", SHEET.encode(), "text/csv")}
        run = self.page("/admin/students/transferrun/import/", {}, files=file).url.removeprefix(self.base)
        assert until(lambda: "确认导入" in self.page(run).text, WAIT_S), "not checked"
        self.page(run, {"do": "confirm"})
        assert until(lambda: "新增 1 名" in self.page(run).text, WAIT_S), "not imported"

    def steps(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Yield what to do, with its name."""
        for call in CALLS:
            yield str(call), lambda call=call: self.call(call)
        yield "a refund", self.refund
        yield "login", lambda: self.page("/admin/login/?next=/admin/", {"username": "root", "password": PASSWORD})
        yield "a product is saved", self.product_save
        yield "a student is imported", self.student_import
        links, kinds = ["/admin/"], set[str]()
        for link in links:  # it grows: every page that another one links to, one record of each kind
            texts: list[str] = []
            yield link, lambda link=link, texts=texts: texts.append(self.page(link).text)
            for other in re.findall(r'href="(/admin/[^"?#]*)', "".join(texts)):
                kind = re.sub(r"[:\d][^/]*", "1", other)
                if kind not in kinds and not other.startswith(("/admin/logout", "/admin/jsi18n")):
                    kinds.add(kind)
                    links.append(other)


def failures(tables_of: Tree, code_of: Tree) -> dict[str, str]:
    """Return what does not work, and why, when the code of one tree runs on the tables of another."""
    wrong: dict[str, str] = {}
    done = 0
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spms-release-")))
        wechat, engines = PatientWeChat(), stack.enter_context(Engines(durable=False))
        stack.callback(wechat.stop)
        wechat.refund_status = "SUCCESS"
        (home / "engines.json").write_text(json.dumps(engines.urls))
        environ = os.environ | engines.urls | wechat.merchant(home) | NOBODY | {
            "DJANGO_SETTINGS_MODULE": "config.settings.local", "DJANGO_SECRET_KEY": "x" * 50, "SANDBOX": "0",
            "DEMO_DATA": "1", "STATE_DIR": str(home), "MEDIA_ROOT": str(home / "media"), "MEDIA_FREE_MB": "0",
            "ROOT_PASSWORD": PASSWORD, "WECHAT_APP_SECRET": "secret",
        }  # fmt: skip
        python, folder = tables_of
        subprocess.run([python, "manage.py", "prepare"], cwd=folder, env=environ, check=True, stdout=subprocess.DEVNULL)
        try:
            base = stack.enter_context(served(code_of, home, environ))
            visitor = Visitor(Running(base, home, PASSWORD, print), wechat)
        except AssertionError as error:
            return {"nothing begins": str(error)}
        for name, step in visitor.steps():
            try:
                step()
                done += 1
            except Exception as error:
                wrong[name] = f"{type(error).__name__}: {error}"[:400]
    print(f"{done} calls and pages work, {len(wrong)} do not")
    return wrong


def main(commit: str = LAST_RELEASE) -> int:
    with tempfile.TemporaryDirectory(prefix="spms-release-") as folder:
        before = tree_of(commit, Path(folder))
        known = failures(before, before)
        if reason := known.get("nothing begins"):
            print(f"{commit} does not begin on its own tables, so nothing was compared: {reason}")
            return 2
        new = failures((Path(sys.executable), ROOT), before)
    for name in known:
        print(f"not compared  {name}: {known[name][:120]}")
    for name in new.keys() - known.keys():
        print(f"FAILED  {name}: {new[name]}")
    return int(bool(new.keys() - known.keys()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
