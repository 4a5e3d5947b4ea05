// Two servers behind a proxy that is not sticky, one of them killed under its clients.
//   node kill.js proxyPort port1 port2 mostLost
// mostLost: how many polling clients may lose their connection. A killed server takes along what it was just sending.
// Prints "kill" when all are connected, and goes on when a line comes in on stdin.
"use strict"
const { clients, open, next, login, sleep, check, run } = require("./lib")
const { startProxy } = require("./proxy")

const [proxyPort, first, second, mostLost] = process.argv.slice(2).map(Number)
const EACH = 4

async function one(version, transport, base, number) {
  const socket = open(version, transport, base)
  const screen = { version, transport, socket, drops: 0, sids: [], name: `${version} ${transport} ${number}` }
  socket.on("disconnect", () => screen.drops++)
  socket.on("connectSuccess", ({ sid }) => screen.sids.push(sid))
  await next(socket, "connectSuccess")
  return screen
}

const said = () => new Promise(resolve => process.stdin.once("data", resolve))

run(async () => {
  const { base } = await startProxy([first, second], proxyPort)
  const wanted = Object.keys(clients).flatMap(version => ["polling", "websocket"].flatMap(transport => Array.from({ length: EACH }, (_, n) => [version, transport, n])))
  const screens = await Promise.all(wanted.map(([version, transport, n]) => one(version, transport, base, n)))
  await sleep(1000)
  console.error("kill")
  await said()
  await sleep(3000) // heartbeats go on meanwhile
  const pollers = screens.filter(screen => screen.transport === "polling")
  const sockets = screens.filter(screen => screen.transport === "websocket")
  const lost = pollers.filter(screen => screen.drops)
  check(lost.length <= mostLost, `polling clients lost their connection: ${lost.map(screen => screen.name)}`)
  const cut = sockets.filter(screen => screen.drops)
  check(cut.length > 0 && cut.length < sockets.length, `${cut.length} of ${sockets.length} websockets were cut`)
  check(cut.every(screen => screen.sids.length === screen.drops + 1), "a websocket did not come back")
  await Promise.all(screens.map(screen => login(base, screen.socket, screen.sids.at(-1), screen.name)))
  return { ok: true, pollers: pollers.length, websockets: sockets.length, cut: cut.length }
})
