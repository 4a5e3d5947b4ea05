"""The walk in both READMEs, pasted into a shell as it stands, goes from the login to the refund."""

import json
import re
import subprocess

from django.conf import settings


def walk_of(readme):
    [walk] = re.findall(r"```sh\n(B=http.*?)```", (settings.BASE_DIR / readme).read_text("utf-8"), re.S)
    return re.sub(" +# .*", "", walk)


def test_the_walk_of_the_readme_ends_with_the_refund(running):
    walk = walk_of("README.md")
    assert walk == walk_of("README.zh-CN.md")
    walk = walk.replace("http://127.0.0.1:8000", running.base)

    shell = subprocess.run(["bash", "-e", "-o", "pipefail"], input=walk, capture_output=True, text=True, timeout=120)

    assert shell.returncode == 0, shell.stderr
    students, phone, paid, returned, after = map(json.loads, shell.stdout.strip().splitlines())
    assert students["data"] and phone["trade_state"] == "SUCCESS"
    assert (paid["msg"], paid["order_status"], returned["msg"]) == ("支付成功", 1, "退货申请成功")
    assert after["order_id"] == paid["order_id"] and after["order_status"] != 1
