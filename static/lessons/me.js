// Shows the account's own calls like a browser's network panel. The token stays in the form and goes into a header.
/* global live */
const form = document.getElementById("who");
const message = document.getElementById("answer");
const find = (id) => document.getElementById(id);
let calls = [];
let chosen = "";
let isKnown = false;

function make(tag, text, className = "", ...children) {
  const element = Object.assign(document.createElement(tag), { className });
  element.append(...(text === null || text === undefined ? [] : [String(text)]), ...children);
  return element;
}
const clock = (call) => call.time.slice(11, 23);
const key = (call) => `${call.time} ${call.method} ${call.path}`;

// The values of a query are not kept, so their place is left open; the token is a variable. Whoever shares the address
// chooses the path of a guessed call: it must neither end the quotes of a shell nor those of JavaScript.
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
function address(call) {
  const query = call.query.map((name) => `${name}=…`).join("&");
  return location.origin + encodeURI(call.path) + (query && `?${query}`);
}
const body = (call) => call.method === "GET" ? null : "{ /* 请求体没有保存 */ }";
const curl = (call) => `curl -X ${quoted(call.method)} -H "authorization: $TOKEN"${body(call) ? ` -H 'content-type: application/json' -d '{}'` : ""} ${quoted(address(call))}`;
const axios = (call) => `await axios({ method: ${JSON.stringify(call.method.toLowerCase())}, url: ${JSON.stringify(address(call))}, headers: { authorization: token }${body(call) ? `, data: ${body(call)}` : ""} })`;

function kind(call) {
  if (call.switch || call.read_only) return "made";
  return call.http >= 400 || call.code || ![200, 1, 3005].includes(call.status) ? "bad" : "good";
}

function copier(name, text) {
  const button = make("button", name, "button button-small");
  button.type = "button";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    message.textContent = `已复制 ${text.slice(0, 60)}…`;
  });
  return button;
}

function detail(call) {
  const facts = [
    ["时间", clock(call)], ["HTTP", call.http], ["status", call.status], ["code", call.code], ["耗时", `${call.ms} 毫秒`],
    ["返回", `${call.bytes} 字节`], ["参数", call.query.join("、")], ["token", call.token && `${call.token}（只是摘要）`],
    ["来自", [call.switch && "开关", call.read_only && "只读时间", call.guessed && "按地址推测"].filter(Boolean).join("、")],
  ].filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const list = make("dl", null, "facts", ...facts.map(([name, value]) => make("div", null, "", make("dt", name), make("dd", value))));
  const buttons = make("p", null, "panel-bar", copier("复制为 curl", curl(call)), copier("复制为 axios", axios(call)));
  find("detail").replaceChildren(make("h2", `${call.method} ${call.path}`, "code"), ...(call.hint ? [make("p", call.hint, "hint-box")] : []), list, buttons);
  find("detail").hidden = false;
}

function show() {
  const wish = form.elements.filter.value.trim().toLowerCase();
  const wanted = form.elements.kind.value;
  const shown = calls.filter((call) => (!wanted || (wanted === "hint" ? call.hint : kind(call) === wanted))
    && (!wish || Object.values(call).join(" ").toLowerCase().includes(wish)));
  const longest = Math.max(...shown.map((call) => call.ms), 1);
  find("requests").replaceChildren(...shown.map((call) => {
    const row = make("tr", null, key(call) === chosen ? "is-chosen" : "");
    const marks = [call.switch && "开关", call.read_only && "只读", call.guessed && "推测"].filter(Boolean);
    const path = make("td", call.path + (call.query.length ? `?${call.query.join("&")}` : ""), "path", ...marks.map((mark) => make("span", mark, "tag")));
    if (call.hint) path.append(make("div", call.hint, "row-hint"));
    const bar = make("span", null, "bar");
    bar.style.width = `${Math.max(2, 100 * call.ms / longest)}%`;
    row.append(make("td", null, "", make("span", call.http, `dot is-${kind(call)}`)), make("td", call.method), path,
      make("td", [call.status, call.code].filter((one) => one !== "" && one !== null).join(" / ")), make("td", call.bytes, "number"),
      make("td", clock(call), "number"), make("td", null, "wave", bar, make("span", `${call.ms} ms`)));
    row.tabIndex = 0;
    const choose = () => { chosen = key(call); detail(call); show(); };
    row.addEventListener("click", choose);
    row.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(); });
    return row;
  }));
  find("count").textContent = calls.length ? `${shown.length} / ${calls.length} 次调用，${calls.filter((call) => kind(call) === "bad").length} 次被拒绝` : "还没有调用";
}

function proof(calls) {
  return make("ul", null, "proof", ...calls.map((call) => make("li", `${clock(call)} ${call.method} ${call.path}`, "code")));
}

async function ask(name) {
  const token = form.elements.token.value.trim();
  const answer = await fetch(`/sandbox/control/${name}`, { headers: token ? { authorization: token } : {} });
  const body = await answer.json();
  if (!answer.ok) throw new Error(answer.status === 403 ? "填自己的 token，或先登录“手机”" : body.error);
  return body[name.split("?")[0]];
}

async function refresh(sid) {
  try {
    calls = await ask(`requests?sid=${sid}`); // the others are asked after it, so what they miss is news
    isKnown = true;
    message.textContent = "";
    const [signs, checkpoints] = await Promise.all(["signs", "checkpoints"].map(ask));
    find("no-signs").hidden = signs.length > 0;
    find("signs").replaceChildren(...signs.map((sign) => make("article", null, "card is-sign", make("div", null, "", make("b", `${sign.name} ×${sign.times}`), proof(sign.calls)))));
    find("done").textContent = `${checkpoints.filter((one) => one.done).length} / ${checkpoints.length}`;
    find("checkpoints").replaceChildren(...checkpoints.map((one) => make("article", null, `card${one.done ? " is-done" : ""}`,
      make("div", null, "", make("b", `${one.done ? "✓ " : ""}${one.name}`), one.done ? proof(one.calls) : make("p", one.missing, "muted")))));
    show();
    return true;
  } catch (error) {
    message.textContent = error.message;
    return false;
  }
}

form.addEventListener("submit", (event) => { event.preventDefault(); refresh("").then(askSoon); });
form.addEventListener("input", (event) => { if (event.target.name !== "token") show(); });
const askSoon = live(refresh, () => !isKnown, 60000);
refresh("");
