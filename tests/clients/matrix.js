// Every client by every transport: connect, live through heartbeats, log in by scanning, be refused elsewhere, lose
// the connection and come back.
//   node matrix.js http://127.0.0.1:8000 ms-of-heartbeats
"use strict"
const { clients, transports, open, next, login, sleep, check, run } = require("./lib")

const [base, stay] = process.argv.slice(2)
const engineOf = socket => socket.io.engine

async function one(version, transport) {
  const options = { withCredentials: true, extraHeaders: { origin: "http://a.example" } }
  const socket = open(version, transport, base, options)
  let drops = 0
  socket.on("disconnect", () => drops++)
  try {
    const { sid, ...greeting } = await next(socket, "connectSuccess")
    check(JSON.stringify(greeting) === '{"state":true,"status":200,"msg":"连接成功"}', "greeting")
    check(sid === socket.id, `sid ${sid} is not the socket's id ${socket.id}`)
    const used = await settled(socket, transport)
    socket.emit("hello", "中文 😀", { deep: [1, 2, { three: null }] }, () => {})
    socket.emit("binary", Buffer.from([0, 1, 2, 255, 30, 10]), { more: Buffer.from("二进制") })
    socket.emit("large", "长".repeat(100000))
    await sleep(Number(stay))
    await login(base, socket, sid, `${version} ${transport}`)
    await refusal(version, transport)
    check(drops === 0, `lost the connection ${drops} times`)
    await comesBack(socket, sid)
    return { version, transport, used, ok: true }
  } finally {
    socket.close()
  }
}

/** The transport in use once an upgrade is through. */
async function settled(socket, transport) {
  const wanted = transport === "polling" ? "polling" : "websocket"
  for (let i = 0; i < 100 && engineOf(socket).transport.name !== wanted; i++) await sleep(50)
  check(engineOf(socket).transport.name === wanted, "was not upgraded")
  return wanted
}

async function refusal(version, transport) {
  const admin = open(version, transport, base + "/admin")
  try {
    const error = await Promise.race([next(admin, "connect_error"), next(admin, "error")])
    check((error.message || error) === "Invalid namespace", `refused with ${error.message || error}`)
  } finally {
    admin.close()
  }
}

/** After an unclean cut the client must come back by itself, with a new sid. */
async function comesBack(socket, sid) {
  const again = next(socket, "connectSuccess")
  engineOf(socket).transport.onClose("cut")
  const greeting = await again
  check(greeting.sid !== sid && greeting.sid === socket.id, "no new sid after a reconnect")
  await login(base, socket, greeting.sid, "again")
}

run(async () => {
  const pairs = Object.keys(clients).flatMap(version => Object.keys(transports).map(transport => [version, transport]))
  return Promise.all(pairs.map(([v, t]) => one(v, t).catch(error => ({ version: v, transport: t, error: error.stack }))))
})
