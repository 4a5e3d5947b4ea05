"""types.d.ts, the Postman collection and the example clients, as ``/docs/`` serves them."""

import html
import io
import re
import subprocess
import zipfile

import pytest

from core.api import schema
from tests.processes import ROOT

EXAMPLES = ROOT / "examples"

# What a client relies on; the guide's own snippets are compiled beside it.
STRICT = """
import type { components, Failure, Order, OrderGetOrderAnswer, OrderRow, PayPaymentNativeAnswer } from "./types"

declare const order: Order
const total: number = order.total_fee
const until: string | null = order.expire_time
const rows: OrderRow[] = order.orderDetail
const sum: number = rows.reduce((all, row) => all + row.subtotal, 0)
declare const one: OrderGetOrderAnswer
const same: components["schemas"]["Order"] = one.data
declare const paying: PayPaymentNativeAnswer | Failure
const code: string = paying.state ? paying.code_url : paying.msg
// @ts-expect-error a row has no sum under the order's name
rows[0]!.total_fee
export { total, until, sum, same, code }
"""


@pytest.mark.node
def test_the_example_client_and_the_guides_snippets_compile_under_strict(api):
    types = EXAMPLES / "react/src/types.d.ts"
    types.write_bytes(api.http.get("/docs/types.d.ts").content)
    page = api.http.get("/docs/client/").content.decode()
    snippets = [html.unescape(snippet) for snippet in re.findall(r'<pre class="ts"><code>(.*?)</code>', page, re.S)]
    files = [EXAMPLES / f"react/src/snippet-{number}.ts" for number in range(len(snippets) + 1)]
    try:
        for file, text in zip(files, [STRICT, *snippets], strict=True):
            file.write_text(text)
        tsc = EXAMPLES / "node_modules/.bin/tsc"
        result = subprocess.run([tsc, "--noEmit"], cwd=EXAMPLES / "react", capture_output=True, text=True)
    finally:
        for file in files:
            file.unlink(missing_ok=True)

    assert len(snippets) == 2
    assert result.returncode == 0, result.stdout


def test_the_collection_holds_every_call_of_clients_in_an_order_that_ends_with_signing_out(api):
    collection = api.http.get("/docs/collection.json", headers={"host": "192.168.1.5:8000"}).json()

    requests = [item["request"] for item in collection["item"]]
    called = [(request["method"].lower(), "/" + "/".join(request["url"]["path"])) for request in requests]
    documented = {
        (method, path.replace("{out_trade_no}", "{{order_id}}"))
        for path, methods in schema.document("")["paths"].items()
        for method in methods
    }
    notices = {("post", "/pay/payResult"), ("post", "/pay/notify")}
    assert set(called) == documented - notices | {("post", "/sandbox/control/pay")}
    assert (called[0], called[-1]) == (("post", "/users/login"), ("get", "/users/sigout"))
    assert all(item["event"][0]["script"]["exec"] for item in collection["item"])
    # Postman's schema tells text from a file by `type` alone; Insomnia and Bruno know no address but `raw`.
    fields = [field for request in requests for field in request.get("body", {}).get("formdata", [])]
    assert {tuple(sorted(field)) for field in fields} == {("key", "src", "type"), ("key", "type", "value")}
    raw = "{{baseUrl}}/order/cancel?order_id={{order_id}}"
    assert raw in [request["url"]["raw"] for request in requests]
    assert collection["variable"][0] == {"key": "baseUrl", "value": "http://192.168.1.5:8000"}


def test_without_a_sandbox_no_page_offers_to_pay_in_it(api, settings):
    settings.SANDBOX = False

    paths = [item["request"]["url"]["path"] for item in api.http.get("/docs/collection.json").json()["item"]]

    assert not [path for path in paths if path[0] == "sandbox"]


@pytest.mark.parametrize(("name", "file"), [("vue", "vue/src/main.js"), ("react", "react/src/types.d.ts")])
def test_the_example_clients_can_be_downloaded(api, name, file):
    archive = zipfile.ZipFile(io.BytesIO(api.http.get(f"/docs/{name}.zip").content))

    assert {file, f"{name}/package.json"} <= set(archive.namelist())
    sources = [path for path in (EXAMPLES / name / "src").glob("*") if path.name != "types.d.ts"]
    assert {f"{name}/src/{path.name}" for path in sources} <= set(archive.namelist())
