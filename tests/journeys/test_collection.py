"""The Postman collection, run from top to bottom by Postman's own runner."""

import json
import subprocess

import pytest
import requests
from PIL import Image

from tests.processes import ROOT

pytestmark = pytest.mark.node
# All in one process: it takes longer to start than to make the calls.
RUN = """
const newman = require(process.argv[1] + "/newman")
const people = JSON.parse(process.argv[2])
const collection = require(process.cwd() + "/collection.json")
Promise.all(people.map(envVar => new Promise((resolve, reject) => newman.run(
  { collection, envVar, workingDir: ".", reporters: [] },
  (error, { run }) => error ? reject(error) : resolve([
    run.stats.assertions.total, run.failures.map(({ source, error }) => [source.name, error.message]),
  ]),
)))).then(runs => console.log(JSON.stringify(runs)))
"""


def test_every_answer_is_right_for_people_who_run_it_at_once_and_their_passwords_stay(running, tmp_path):
    (tmp_path / "collection.json").write_bytes(requests.get(f"{running.base}/docs/collection.json", timeout=30).content)
    Image.new("RGB", (60, 60), "teal").save(tmp_path / "picture.png")  # the file that the uploads name
    own = {"username": "of-the-collection", "password": "a-password-of-ones-own"}
    answer = running.root("/users/register", own | {"nickname": "自己的账号", "roles": "102"})
    assert answer["state"], answer
    people = [[], [], [{"key": key, "value": value} for key, value in own.items()]]  # the demo account is the default

    command = ["node", "-e", RUN, ROOT / "tests/clients/node_modules", json.dumps(people)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=250)

    assert result.returncode == 0, result.stderr
    for count, failures in json.loads(result.stdout):
        assert failures == []
        assert count > 100
    assert running.token(**own)
