"""types.d.ts, the Postman collection and the example clients, as ``/docs/`` serves them."""

import html
import io
import os
import re
import subprocess
import zipfile

import pytest

from core.api import schema
from tests.processes import ROOT

EXAMPLES = ROOT / "examples"

# What a client relies on; the guide's own snippets are compiled beside it.
STRICT = """
import type { components, Failure, Order, OrderGetOrderAnswer, OrderRow, paths, PayPaymentNativeAnswer } from "./types"

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

type Answer<Path extends keyof paths, Method extends keyof paths[Path]> =
  paths[Path][Method] extends { responses: { 200: { content: { "application/json": infer Body } } } } ? Body : never
declare const pay: Answer<"/pay/payment", "post">
const sdk: string[] =
  !pay.state ? [pay.solution ?? pay.detail ?? pay.hint ?? ""]
  : pay.trade_type === "NATIVE" ? [pay.code_url]
  : pay.trade_type === "JSAPI" ? [pay.appId, pay.paySign]
  : [pay.partnerid, pay.package, pay.noncestr, pay.timestamp, pay.sign]
declare const login: Answer<"/users/login", "post">
const refresh: string | undefined = login.state ? login.refresh : undefined
const seconds: number | undefined = login.state ? login.expires_in : undefined
declare const poll: Answer<"/order/query_order_status", "get">
const status: number | undefined = poll.order_status
declare const query: Answer<"/pay/transactions/out-trade-no/{out_trade_no}", "get">
const fen: number | undefined = query.state ? query.amount?.total : undefined
const payer: string | undefined = query.state ? query.payer?.openid : undefined
type Sent<Path extends keyof paths> =
  paths[Path] extends { post: { requestBody: { content: { "application/json": infer Body } } } } ? Body : never
const role: Sent<"/permission/addrole"> = { roleid: "300", menuList: [{ name: "a", children: [{ name: "b" }] }] }
const by: Sent<"/pay/payment"> = { order_id: "1", appid: "wx", mch_id: 1568650321, trade_type: "JSAPI", openid: "o" }
// @ts-expect-error the API document requires the merchant's two values
const less: Sent<"/pay/payment"> = { order_id: "1" }
// @ts-expect-error there is no such trade type
const cash: Sent<"/pay/payment">["trade_type"] = "CASH"
const verified: paths["/verify"]["post"] extends object ? true : false = true
export { total, until, sum, same, code, sdk, refresh, seconds, status, fen, payer, role, by, less, cash, verified }
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


# What tools of front ends say of the document; the questions that they ask their makers are off.
LINTERS = {"redocly": "--extends=recommended", "spectral": "--ruleset=rules.yaml"}
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@pytest.mark.node
@pytest.mark.parametrize("name", LINTERS)
def test_a_linter_finds_no_error_in_the_document(api, tmp_path, name):
    (tmp_path / "api.json").write_bytes(api.http.get("/schema/").content)
    (tmp_path / "rules.yaml").write_text("extends: ['spectral:oas']")
    command = [ROOT / "tests/clients/node_modules/.bin" / name, "lint", LINTERS[name], "api.json"]

    result = subprocess.run(command, cwd=tmp_path, env=os.environ | QUIET, capture_output=True, text=True)

    assert result.returncode == 0, result.stdout + result.stderr


def test_the_collection_holds_every_call_of_clients_in_an_order_that_ends_with_signing_out(api):
    collection = api.http.get("/docs/collection.json", headers={"host": "192.168.1.5:8000"}).json()

    requests = [item["request"] for item in collection["item"]]
    called = [(request["method"].lower(), "/" + "/".join(request["url"]["path"])) for request in requests]
    documented = {
        (method, path.replace("{out_trade_no}", "{{order_id}}"))
        for path, methods in schema.document("")["paths"].items()
        for method in methods
    }
    assert set(called) == documented | {("post", "/sandbox/control/pay")}
    assert (called[0], called[-1]) == (("post", "/users/login"), ("get", "/users/sigout"))
    assert all(item["event"][0]["script"]["exec"] for item in collection["item"])
    # Postman's schema tells text from a file by `type` alone; Insomnia and Bruno know no address but `raw`.
    fields = [field for request in requests for field in request.get("body", {}).get("formdata", [])]
    assert {tuple(sorted(field)) for field in fields} == {("key", "src", "type"), ("key", "type", "value")}
    raw = "{{baseUrl}}/order/cancel?order_id={{order_id}}"
    assert raw in [request["url"]["raw"] for request in requests]
    variables = {variable["key"]: variable["value"] for variable in collection["variable"]}
    assert variables == {"baseUrl": "http://192.168.1.5:8000", "username": "lbw", "password": "555", "token": ""}


def test_without_a_sandbox_no_page_offers_to_pay_in_it(api, settings):
    settings.SANDBOX = False

    paths = [item["request"]["url"]["path"] for item in api.http.get("/docs/collection.json").json()["item"]]

    assert not [path for path in paths if path[0] == "sandbox"]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("vue", {"src/main.js", "package.json"}),
        ("react", {"src/types.d.ts", "package.json"}),
        ("miniprogram", {"app.json", "utils/api.js", "pages/index/index.wxml"}),
        ("course", {"package.json", "src/main.js", "src/api.js"}),
    ],
)
def test_the_example_clients_can_be_downloaded(api, name, files):
    answer = api.http.get(f"/docs/{name}.zip", headers={"host": "192.168.1.5:8000"})
    archive = zipfile.ZipFile(io.BytesIO(answer.content))

    assert {f"{name}/{file}" for file in files} <= set(archive.namelist())
    texts = [archive.read(file).decode() for file in archive.namelist() if "types.d.ts" not in file]
    assert any("http://192.168.1.5:8000" in text for text in texts) and not any("127.0.0.1" in text for text in texts)
    sources = [path for path in (EXAMPLES / name / "src").glob("*") if path.name != "types.d.ts"]
    assert {f"{name}/src/{path.name}" for path in sources} <= set(archive.namelist())
