"""The Postman collection, run from top to bottom by Postman's own runner."""

import json
import subprocess
from pathlib import Path

import pytest
import requests
from PIL import Image

pytestmark = pytest.mark.node
NEWMAN = Path(__file__).parents[1] / "clients/node_modules/.bin/newman"


def test_every_answer_of_the_collection_is_right(running, tmp_path):
    (tmp_path / "collection.json").write_bytes(requests.get(f"{running.base}/docs/collection.json", timeout=30).content)
    Image.new("RGB", (60, 60), "teal").save(tmp_path / "picture.png")  # the file that the uploads name
    report = ["--reporters", "json", "--reporter-json-export", tmp_path / "report.json"]

    command = [NEWMAN, "run", "collection.json", "--working-dir", tmp_path, *report]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=200, check=False)

    run = json.loads((tmp_path / "report.json").read_text())["run"]
    assert [(failure["source"]["name"], failure["error"]["message"]) for failure in run["failures"]] == []
    assert run["stats"]["assertions"]["total"] > 100
