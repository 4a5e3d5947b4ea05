// Shows the account's own calls like a browser's network panel. The token stays in the form and goes into a header.
const form = document.getElementById("who");
const status = document.getElementById("answer");
let calls = [];

const cell = (text) => Object.assign(document.createElement("td"), { textContent: text ?? "" });
const fill = (id, rows) => document.getElementById(id).replaceChildren(...rows.map((cells) => {
  const row = document.createElement("tr");
  row.append(...cells.map((one) => one instanceof Node ? one : cell(one)));
  return row;
}));
const lines = (proof) => proof.map((call) => `${call.time.slice(11, 23)} ${call.method} ${call.path}`).join("；");

// The values of a query are not kept, so their place is left open; the token is a variable.
function address(call) {
  const query = call.query.map((name) => `${name}=…`).join("&");
  return location.origin + call.path + (query && `?${query}`);
}
const curl = (call) => `curl -X ${call.method} -H "authorization: $TOKEN" '${address(call)}'`;
const axios = (call) => `await axios({ method: ${JSON.stringify(call.method.toLowerCase())}, url: ${JSON.stringify(address(call))}, headers: { authorization: token } })`;

function copier(call) {
  const buttons = cell("");
  for (const [name, make] of [["curl", curl], ["axios", axios]]) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "button", textContent: name });
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(make(call));
      status.textContent = `已复制：${make(call)}`;
    });
    buttons.append(button);
  }
  return buttons;
}

function show() {
  const wish = form.elements.filter.value.trim().toLowerCase();
  const shown = calls.filter((call) => !wish || Object.values(call).join(" ").toLowerCase().includes(wish));
  fill("requests", shown.map((call) => {
    const marks = [call.switch && "开关", call.read_only && "只读时间", call.guessed && "推测"].filter(Boolean);
    const hint = [...marks, call.hint].filter(Boolean).join("；");
    const path = call.path + (call.query.length ? `?${call.query.join("&")}` : "");
    return [call.time.slice(11, 23), call.method, path, call.http, call.status, call.code, call.ms, call.bytes, hint, copier(call)];
  }));
}

async function ask(name) {
  const token = form.elements.token.value.trim();
  const answer = await fetch(`/sandbox/control/${name}`, { headers: token ? { authorization: token } : {} });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error);
  return body[name];
}

async function refresh() {
  try {
    const [requests, signs, checkpoints] = await Promise.all(["requests", "signs", "checkpoints"].map(ask));
    calls = requests;
    fill("signs", signs.map((sign) => [sign.name, sign.times, lines(sign.calls)]));
    fill("checkpoints", checkpoints.map((one) => [one.name, one.done ? "✓" : "", one.done ? lines(one.calls) : one.missing]));
    show();
    status.textContent = "";
  } catch (error) {
    status.textContent = error.message;
  }
}

form.addEventListener("submit", (event) => { event.preventDefault(); refresh(); });
form.elements.filter.addEventListener("input", show);
setInterval(() => { if (!document.hidden && calls.length && !document.querySelector("#requests button:hover")) refresh(); }, 2000);
refresh();
