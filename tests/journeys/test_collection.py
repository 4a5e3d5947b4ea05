"""The Postman collection, run from top to bottom by Postman's own runner."""

import json
import subprocess
from pathlib import Path
from subprocess import PIPE

import pytest
import requests
from PIL import Image

pytestmark = pytest.mark.node
NEWMAN = Path(__file__).parents[1] / "clients/node_modules/.bin/newman"


def test_every_answer_is_right_for_people_who_run_it_at_once_and_their_passwords_stay(running, tmp_path):
    (tmp_path / "collection.json").write_bytes(requests.get(f"{running.base}/docs/collection.json", timeout=30).content)
    Image.new("RGB", (60, 60), "teal").save(tmp_path / "picture.png")  # the file that the uploads name
    own = {"username": "of-the-collection", "password": "a-password-of-ones-own"}
    answer = running.root("/users/register", own | {"nickname": "自己的账号", "roles": "102"})
    assert answer["state"], answer
    command = [NEWMAN, "run", "collection.json", "--working-dir", tmp_path, "--reporters", "json"]
    own_words = [word for name, value in own.items() for word in ("--env-var", f"{name}={value}")]
    words = {"first": [], "second": [], "third": own_words}  # two with the demo account, which is the default

    runs = [
        subprocess.Popen(
            [*command, *more, "--reporter-json-export", f"{name}.json"], cwd=tmp_path, stdout=PIPE, stderr=PIPE
        )
        for name, more in words.items()
    ]
    for run in runs:
        run.communicate(timeout=250)

    for name in words:
        run = json.loads((tmp_path / f"{name}.json").read_text())["run"]
        assert [(failure["source"]["name"], failure["error"]["message"]) for failure in run["failures"]] == []
        assert run["stats"]["assertions"]["total"] > 100
    assert running.token(**own)
