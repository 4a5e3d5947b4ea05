// Many screens at once, each scanned by somebody else: everybody gets his own event and nobody else's.
// Twenty people scan at a time: more than the provider answers at once would be told to try again.
//   node crowd.js http://127.0.0.1:8000 200
"use strict"
const { clients, transports, open, next, login, check, run } = require("./lib")

const [base, count] = process.argv.slice(2)
const kinds = Object.keys(clients).flatMap(version => Object.keys(transports).map(transport => [version, transport]))

async function one(number) {
  const [version, transport] = kinds[number % kinds.length]
  const socket = open(version, transport, base)
  const events = []
  socket.on("scancodeSuccess", data => events.push(data.wechatCode))
  socket.on("invalidCode", () => events.push("invalidCode"))
  const { sid } = await next(socket, "connectSuccess", 60000)
  return { socket, events, go: () => login(base, socket, sid, `同学 ${number}`) }
}

run(async () => {
  const screens = await Promise.all(Array.from({ length: Number(count) }, (_, number) => one(number)))
  const started = Date.now()
  for (let at = 0; at < screens.length; at += 20) await Promise.all(screens.slice(at, at + 20).map(screen => screen.go()))
  const took_ms = Date.now() - started
  check(screens.every(screen => screen.events.length === 1), "somebody got another number of events than one")
  check(new Set(screens.map(screen => screen.events[0])).size === screens.length, "two got the same code")
  screens.forEach(screen => screen.socket.close())
  return { ok: true, took_ms }
})
