"""A class over a real network: what another machine sees of the sandbox, and, as the twin, what this one sees."""

import json
import re
import subprocess
import sys

import pytest
import requests

from tests.concurrency.network import HERE, second_machine
from tests.journeys.installation import Caller, installation, shell
from tests.kit import free_ports

pytestmark = pytest.mark.network
NUMBER = "13655554444"
# On the other machine: a stranger without an account, then a trainee with one, then a scan on the trainee's phone.
VISITING = """
import json, re, sys
import requests
base, code_url, consent = sys.argv[1:]
MESSAGES, TRADES = base + "/sandbox/sms/messages/", base + "/sandbox/control/trades"
stranger, trainee, result = requests.Session(), requests.Session(), {}

def faults(who):
    return who.post(base + "/sandbox/control/faults", json={"code_url": code_url, "refund_abnormal": True}).status_code

stranger.post(base + "/sms/send", json={"phoneNumber": "13655554444"})
result["stranger"] = [stranger.get(MESSAGES).json(), stranger.get(TRADES).status_code, faults(stranger)]
result["renamed"] = stranger.get(TRADES, headers={"Host": "127.0.0.1"}).status_code
result["scan"] = stranger.get(consent).url
page = trainee.get(base + "/sandbox/phone/").text
form = {"username": "zhuguan", "password": "555", "csrfmiddlewaretoken": re.search('csrf.*?value="(.*?)"', page)[1]}
result["phone"] = "的手机" in trainee.post(base + "/sandbox/phone/", data=form).text
result["trainee"] = [trainee.get(MESSAGES).json(), trainee.get(TRADES).json()["trades"], faults(trainee)]
CONTROL, CLASS = base + "/sandbox/control/", {"class_name": "H5"}
SEEN = ("requests", "signs", "checkpoints")
result["class"] = [trainee.get(CONTROL + what, params=CLASS).status_code for what in SEEN]
result["class"].append(trainee.post(CONTROL + "calls", json=CLASS).status_code)
result["own"] = [call["path"] for call in trainee.get(CONTROL + "requests").json()["requests"]]
form = {"action": "allow", "person": "李小明", "csrfmiddlewaretoken": trainee.cookies["csrftoken"]}
back = trainee.post(consent, data=form, allow_redirects=False).headers["Location"]
code = re.search("code=([^&]+)", back)[1]
result["login"] = trainee.get(base + "/users/wechatLogin", params={"wechatCode": code}).json()["userInfo"]["username"]
print(json.dumps(result))
"""


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    """An installation that a class reaches, and the machine of a trainee."""
    home, port = tmp_path_factory.mktemp("classroom"), free_ports(1)[0]
    with second_machine() as machine:
        base = f"http://{HERE[0]}:{port}"
        with installation(home, port, BIND="0.0.0.0", PUBLIC_BASE_URL=base) as own, shell(home) as run:
            yield machine, base, own, run


def test_a_stranger_and_a_trainee_see_nothing_of_the_others_and_a_scan_is_the_phones_own(classroom):
    machine, base, own, run = classroom
    numbers = f"User.objects.filter(username='lbw').update(phone='{NUMBER}', is_phone_bound=True)"
    run(f"from accounts.models import User; {numbers}")
    _, code_url = Caller(own).begin()
    consent = f"{base}/sandbox/oauth/connect/oauth2/authorize?appid=wxed58e834201d0894&scope=snsapi_userinfo&state=abc"
    consent += f"&redirect_uri={base}/users/wechatCallBack"

    command = machine.command(sys.executable, "-c", VISITING, base, code_url, consent)
    visit = subprocess.run(command, capture_output=True, text=True, timeout=100)

    assert visit.returncode == 0, visit.stderr
    seen = json.loads(visit.stdout)
    assert (seen["stranger"], seen["renamed"]) == ([[], 403, 403], 403)
    assert re.match(rf"{base}/sandbox/phone/\?next=", seen["scan"])
    assert (seen["phone"], seen["trainee"], seen["login"]) == (True, [[], [], 403], "zhuguan")
    assert (seen["class"], seen["own"]) == ([403] * 4, [])
    # The twin: on this machine all of it is open, so there was something to see.
    assert [row["phone"] for row in requests.get(f"{own}/sandbox/sms/messages/", timeout=9).json()] == [NUMBER]
    assert (
        requests.get(f"{own}/sandbox/control/trades", timeout=9).json()["trades"][0]["codes"][0]["code_url"] == code_url
    )
    run("from accounts.models import User; assert not User.objects.filter(username__startswith='wx_').exists()")
