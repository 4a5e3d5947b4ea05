"""types.d.ts and the Postman collection: up to date, and good for what they are for."""

import json
import subprocess
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.clients.conftest import ROOT

pytestmark = pytest.mark.node
HOME = ROOT / "docs/api"
STRICT = """
import type { components, Failure, Order, OrderGetOrderAnswer, OrderRow, Student } from "./types"
import type { StudentsGetstulistAnswer } from "./types"

declare const list: StudentsGetstulistAnswer | Failure
const students: Student[] = list.state ? list.data : []
const why: string = list.state ? "" : list.msg
declare const order: Order
const total: number = order.total_fee
const until: string | null = order.expire_time
const rows: OrderRow[] = order.orderDetail
const sum: number = rows.reduce((all, row) => all + row.subtotal, 0)
declare const one: OrderGetOrderAnswer
const same: components["schemas"]["Order"] = one.data
// @ts-expect-error a row has no sum under the order's name
rows[0]!.total_fee
export { students, why, total, until, sum, same }
"""

IMPORT = """
const { Collection } = require("postman-collection")
const collection = new Collection(require("./collection.json"))
const found = []
collection.forEachItem(({ name, request }) => found.push({
  name,
  url: collection.variables.replace(request.url.toString()),
  takes: (request.body?.formdata?.all() ?? []).map(field => field.type),
}))
console.log(JSON.stringify(found))
"""


@pytest.fixture(scope="module")
def schema(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("schema") / "schema.json"
    call_command("spectacular", "--format", "openapi-json", "--file", str(file))
    return file


def test_both_files_are_those_of_the_schema(schema, tmp_path):
    made = subprocess.run(["node", HOME / "make.mjs", schema, tmp_path], capture_output=True, text=True)

    assert made.returncode == 0, made.stderr
    for name in ("types.d.ts", "collection.json"):
        assert (HOME / name).read_text("utf-8") == (tmp_path / name).read_text("utf-8"), f"run `make api-files`: {name}"


def test_the_types_compile_under_strict(tmp_path):
    (tmp_path / "types.d.ts").write_text((HOME / "types.d.ts").read_text("utf-8"))
    (tmp_path / "client.ts").write_text(STRICT)
    tsc = HOME / "node_modules/.bin/tsc"
    options = ["--strict", "--noUncheckedIndexedAccess", "--noEmit", "--target", "es2022", "--lib", "es2022"]
    # Not that TypeScript's own declarations are right: that takes half the time.
    options += ["--skipDefaultLibCheck", "--moduleResolution", "bundler"]

    done = subprocess.run([tsc, *options, "--module", "esnext", tmp_path / "client.ts"], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout


def test_the_collection_holds_every_call_and_logging_in_fills_the_token(schema):
    collection = json.loads((HOME / "collection.json").read_text("utf-8"))
    requests = {}

    def walk(folder):
        for item in folder["item"]:
            if "request" in item:
                requests[item["request"]["method"], "/" + "/".join(item["request"]["url"]["path"])] = item
            else:
                walk(item)

    walk(collection)
    paths = json.loads(schema.read_text("utf-8"))["paths"]
    documented = {
        (method.upper(), path.replace("{out_trade_no}", ":out_trade_no")) for path in paths for method in paths[path]
    }
    assert set(requests) == documented
    assert {variable["key"] for variable in collection["variable"]} == {"baseUrl", "token"}
    assert collection["auth"]["apikey"][1]["value"] == "{{token}}"
    login = requests["POST", "/users/login"]
    assert json.loads(login["request"]["body"]["raw"]) == {"username": "lbw", "password": "555"}
    assert 'pm.collectionVariables.set("token", token)' in login["event"][0]["script"]["exec"][1]


def test_the_collection_imports_and_offers_files_to_choose():
    """By Postman's own library, which the app reads collections with."""
    done = subprocess.run(["node", "-e", IMPORT], cwd=HOME, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    requests = json.loads(done.stdout)
    assert all(one["url"].startswith("http://127.0.0.1:8000/") for one in requests)
    assert [one["name"] for one in requests if "file" in one["takes"]] == ["上传图片", "上传学员头像", "上传用户头像"]


@pytest.mark.parametrize("name", ["types.d.ts", "collection.json"])
def test_both_are_served(api, name):
    answer = api.http.get(f"/docs/{name}")

    assert b"".join(answer.streaming_content) == (HOME / name).read_bytes()


def test_the_page_for_beginners_names_them(api):
    page = api.http.get("/docs/client/").content.decode()

    assert "/docs/types.d.ts" in page and "/docs/collection.json" in page and "vite.config.js" in page
