// Every client by every transport: connect, log in by scanning, come through heartbeats, be refused elsewhere, leave.
//   node matrix.js http://127.0.0.1:8000 [seconds to stay]
"use strict"
const { clients, transports, open, next, get, scan, sleep, check } = require("./lib")

const [base, stay = "0"] = process.argv.slice(2)
const engineOf = socket => socket.io.engine

async function one(version, transport) {
  const socket = open(version, transport, base, { withCredentials: true, extraHeaders: { origin: "http://a.example" } })
  const ups = []
  let drops = 0
  socket.on("disconnect", () => drops++)
  try {
    const greeting = await next(socket, "connectSuccess")
    check(greeting.msg === "连接成功" && greeting.state === true && greeting.status === 200, "greeting")
    check(greeting.sid === socket.id, `sid ${greeting.sid} is not the socket's id ${socket.id}`)
    if (transport === "default") {
      for (let i = 0; i < 50 && engineOf(socket).transport.name !== "websocket"; i++) await sleep(50)
      ups.push(engineOf(socket).transport.name)
      check(ups[0] === "websocket", "was not upgraded")
    }
    socket.emit("hello", "中文 😀", { deep: [1, 2, { three: null }] }, () => {})
    socket.emit("binary", Buffer.from([0, 1, 2, 255, 30, 10]), { more: Buffer.from("二进制") })
    socket.emit("large", "长".repeat(100000))
    await sleep(Number(stay) * 1000)
    await login(socket, greeting.sid, `${version} ${transport}`)
    const elsewhere = await refusal(version, transport)
    check(drops === 0, `lost the connection ${drops} times`)
    const again = await reconnect(socket, greeting.sid)
    return { version, transport, ok: true, ended: engineOf(socket).transport.name, elsewhere, again }
  } finally {
    socket.close()
  }
}

async function login(socket, sid, name) {
  const { state, scanCodeUrl } = await get(base, "/users/getQrcode", { sid })
  check(state && scanCodeUrl, "no QR code")
  const scanned = next(socket, "scancodeSuccess")
  const { html } = await scan(scanCodeUrl, name)
  check(html.includes("扫码成功"), "the phone was not welcomed")
  const { wechatCode } = await scanned
  const answer = await get(base, "/users/wechatLogin", { wechatCode })
  check(answer.msg === "微信登入成功" && answer.token, JSON.stringify(answer))
  check(answer.userInfo.nickname === name, `somebody else logged in: ${answer.userInfo.nickname}`)
}

async function refusal(version, transport) {
  const admin = open(version, transport, base + "/admin")
  try {
    const error = await Promise.race([next(admin, "connect_error"), next(admin, "error")])
    const text = typeof error === "string" ? error : error.message
    check(text === "Invalid namespace", `refused with ${text}`)
    return text
  } finally {
    admin.close()
  }
}

/** An unclean cut: the client must come back by itself, as somebody new. */
async function reconnect(socket, sid) {
  const again = next(socket, "connectSuccess")
  engineOf(socket).transport.onClose("cut")
  const greeting = await again
  check(greeting.sid !== sid, "the same sid after a reconnect")
  return greeting.sid.length
}

async function main() {
  const jobs = Object.keys(clients).flatMap(version => Object.keys(transports).map(transport => one(version, transport).catch(error => ({ version, transport, ok: false, error: String(error.stack) }))))
  const results = await Promise.all(jobs)
  console.log(JSON.stringify(results))
  process.exit(results.every(result => result.ok) ? 0 : 1)
}
main()
