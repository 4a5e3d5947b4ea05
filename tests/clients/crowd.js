// Many screens at once, some of which are scanned, each by another user: they get their own event, and all others none.
// Twenty people scan at a time: more than the provider answers at once would be told to try again.
//   node crowd.js http://127.0.0.1:8000 100 40
"use strict"
const { clients, transports, open, next, login, check, run } = require("./lib")

const [base, count, scanned] = process.argv.slice(2)
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
  // Neighbours are other clients by other transports, and clients that only wait are connected before and after them.
  const chosen = screens.slice((screens.length - scanned) / 2).slice(0, scanned)
  for (let at = 0; at < chosen.length; at += 20) await Promise.all(chosen.slice(at, at + 20).map(screen => screen.go()))
  const took_ms = Date.now() - started
  check(chosen.every(screen => screen.events.length === 1), "a screen got another number of events than one")
  check(new Set(chosen.map(screen => screen.events[0])).size === chosen.length, "two got the same code")
  check(screens.every(screen => chosen.includes(screen) || !screen.events.length), "a screen that was not scanned got an event")
  screens.forEach(screen => screen.socket.close())
  return { ok: true, took_ms }
})
