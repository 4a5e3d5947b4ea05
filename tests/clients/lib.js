// What the client tests share: the clients by name, and the scan login as people and pages go through it.
"use strict"

const clients = {
  "2.3.0": require("socket.io-client-2"),
  "3.1.3": require("socket.io-client-3").io,
  "4.8.4": require("socket.io-client-4").io,
}
const transports = { default: undefined, polling: ["polling"], websocket: ["websocket"] }
const PATIENCE_MS = 15000

function open(version, transport, base, more = {}) {
  const options = { forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 300, ...more }
  if (transports[transport]) options.transports = transports[transport]
  return clients[version](base, options)
}

/** The next `name` event of a socket: its data. */
function next(socket, name, ms = PATIENCE_MS) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} within ${ms} ms`)), ms)
    socket.once(name, data => {
      clearTimeout(timer)
      resolve(data)
    })
  })
}

async function get(base, path, params = {}) {
  const answer = await fetch(base + path + "?" + new URLSearchParams(params))
  return answer.json()
}

async function qrcode(base, sid) {
  const { state, msg, scanCodeUrl } = await get(base, "/users/getQrcode", { sid })
  check(state, `no QR code: ${msg}`)
  return scanCodeUrl
}

let form // the consent page's cookie and token serve for all scans
/** The sandbox's phone opens the address in the QR, allows, and goes where it is sent: the text of that page. */
async function scan(scanCodeUrl, name) {
  const page = scanCodeUrl.replace("#wechat_redirect", "")
  form ??= readForm(page)
  const { cookie, token } = await form
  const body = new URLSearchParams({ csrfmiddlewaretoken: token, other: name, action: "allow" })
  const allowed = await fetch(page, { method: "POST", body, headers: { cookie }, redirect: "manual" })
  const welcome = await fetch(allowed.headers.get("location"), { headers: { accept: "text/html" } })
  return welcome.text()
}

async function readForm(page) {
  const shown = await fetch(page)
  const cookie = shown.headers.getSetCookie().map(line => line.split(";")[0]).join("; ")
  return { cookie, token: /name="csrfmiddlewaretoken" value="([^"]+)"/.exec(await shown.text())[1] }
}

/** The whole login of one screen, scanned by `name`. */
async function login(base, socket, sid, name) {
  const scanned = next(socket, "scancodeSuccess", 60000)
  const page = await scan(await qrcode(base, sid), name)
  check(page.includes("扫码成功"), "the phone was not welcomed")
  const { status, state, msg, wechatCode } = await scanned
  check(status === 200 && state === true && msg === "已扫码", "scancodeSuccess")
  const answer = await get(base, "/users/wechatLogin", { wechatCode })
  check(answer.msg === "微信登入成功" && answer.token, JSON.stringify(answer))
  check(answer.userInfo.nickname === name, `${answer.userInfo.nickname} was logged in instead of ${name}`)
}

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

function check(fact, text) {
  if (!fact) throw new Error(text)
}

/** Run the test in `main`: its result as JSON, its failure as exit code. */
function run(main) {
  main().then(
    result => { console.log(JSON.stringify(result)); process.exit(0) },
    error => { console.error(error.stack, error.cause || ""); process.exit(1) },
  )
}

module.exports = { clients, transports, open, next, get, qrcode, scan, login, sleep, check, run }
