// Screens of the scan login, old clients and new ones, that are scanned again and again while machines die.
//   node cluster.js http://10.77.0.40 25
// The number: after how many seconds a screen must have been told something, longer than a code is good for.
// Prints a line of JSON for each login (what became of it) and for each time that a screen was without its server; ends when stdin does.
"use strict"
const { clients, transports, open, sleep } = require("./lib")

const [base, silence] = process.argv.slice(2)
const VERSIONS = ["2.3.0", "4.8.4"]
const PATIENCE_MS = 15000 // of a user who waits for an answer

const say = fact => console.log(JSON.stringify(fact))

/** An answer of the server, or why there was none. */
async function ask(path, params = {}, headers = {}) {
  try {
    const answer = await fetch(`${base}${path}?${new URLSearchParams(params)}`, { headers, signal: AbortSignal.timeout(PATIENCE_MS) })
    return { http: answer.status, ...(await answer.json()) }
  } catch (error) {
    return { state: false, http: 0, msg: String(error.cause?.code || error.name) }
  }
}

/** The first of these events: its name and data; undefined if none comes. */
function first(socket, names, ms) {
  return new Promise(resolve => {
    const timer = setTimeout(() => done(), ms)
    const handlers = names.map(name => [name, data => done({ name, data })])
    function done(event) {
      clearTimeout(timer)
      handlers.forEach(([name, handler]) => socket.off(name, handler))
      resolve(event)
    }
    handlers.forEach(([name, handler]) => socket.on(name, handler))
  })
}

async function login(screen, code) {
  const refused = (step, answer) => ({ outcome: "told", why: `${step} ${answer.http} ${answer.msg}` })
  // From here on: a page that loses its server shows another code when it is back, whatever the phone was told.
  const coming = first(screen.socket, ["scancodeSuccess", "invalidCode", "disconnect"], silence * 1000)
  const shown = await ask("/users/getQrcode", { sid: screen.sid })
  if (!shown.state) return refused("getQrcode", shown)
  const state = /state=(\w+)/.exec(shown.scanCodeUrl)[1]
  const phone = await ask("/users/wechatCallBack", { code, state })
  if (!phone.state) return refused("phone", phone)
  const event = await coming
  if (!event) return { outcome: "silent", why: "the phone was welcomed" }
  if (event.name !== "scancodeSuccess") return { outcome: "told", why: event.name }
  if (event.data.wechatCode !== code) {
    // The phone may have lost the answer about an earlier code of this page, which was scanned all the same.
    const isOurs = event.data.wechatCode.startsWith(code.slice(0, code.lastIndexOf("-") + 1))
    return { outcome: isOurs ? "told" : "wrong", why: `the event of ${event.data.wechatCode} for ${code}` }
  }
  const user = await ask("/users/wechatLogin", { wechatCode: code })
  if (!user.token) return refused("wechatLogin", user)
  if (!code.startsWith(user.userInfo.nickname + "-")) return { outcome: "wrong", why: `${user.userInfo.nickname} for ${code}` }
  const read = await ask("/product/get_product", { count: 1 }, { authorization: user.token })
  if (read.code === "1004") return { outcome: "out", why: "the new token is not known" }
  return read.state ? { outcome: "done" } : refused("get_product", read)
}

async function live(name, socket) {
  const screen = { socket, sid: "" }
  let left = Date.now()
  socket.on("disconnect", () => { left = Date.now(); screen.sid = "" })
  socket.on("connectSuccess", ({ sid }) => {
    say({ kind: "away", name, began: left, ended: Date.now() })
    left = 0
    screen.sid = sid
  })
  process.stdin.on("end", () => left && say({ kind: "away", name, began: left, ended: Date.now() }))
  for (let number = 0; ; number++) {
    await sleep(400)
    if (!screen.sid) continue
    const began = Date.now()
    say({ kind: "scan", name, began, ...(await login(screen, `${name}-${process.pid}-${number}`)), ended: Date.now() })
  }
}

VERSIONS.forEach((version, place) => Object.keys(transports).forEach((transport, n) =>
  live(`p${place}${n}`, open(version, transport, base))))
process.stdin.on("end", () => setTimeout(() => process.exit(0), 100)).resume()
