// Screens whose codes are never scanned.
//   node expiry.js http://127.0.0.1:8000
// Prints "shown" when all codes are there, and ends when all are over.
"use strict"
const { clients, transports, open, next, qrcode, check, run } = require("./lib")

const [base] = process.argv.slice(2)

async function one(version, transport) {
  const socket = open(version, transport, base)
  const { sid } = await next(socket, "connectSuccess")
  let told = 0
  socket.on("invalidCode", () => told++)
  const over = next(socket, "invalidCode", 60000)
  await qrcode(base, sid)
  return async () => {
    check(JSON.stringify(await over) === '{"state":false,"status":10004,"msg":"无效的二维码"}', "invalidCode")
    await qrcode(base, sid)
    check(told === 1, `told ${told} times`)
    socket.close()
  }
}

run(async () => {
  const pairs = Object.keys(clients).flatMap(version => Object.keys(transports).map(transport => [version, transport]))
  const screens = await Promise.all(pairs.map(([version, transport]) => one(version, transport)))
  console.error("shown")
  await Promise.all(screens.map(isOver => isOver()))
  return { ok: true, screens: screens.length }
})
