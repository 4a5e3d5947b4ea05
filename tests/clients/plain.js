// A plain WebSocket: the same login, without socket.io.
//   node plain.js http://127.0.0.1:8000
"use strict"
const { EventEmitter } = require("events")
const WebSocket = require("ws")
const { next, login, check, run } = require("./lib")

const [base] = process.argv.slice(2)

run(async () => {
  const events = new EventEmitter()
  const ws = new WebSocket(base.replace("http", "ws") + "/ws/login", { origin: "http://a.example" })
  ws.on("message", text => {
    const { event, data } = JSON.parse(text)
    events.emit(event, data)
  })
  const { sid, msg } = await next(events, "connectSuccess")
  check(msg === "连接成功", "greeting")
  await login(base, events, sid, "plain")
  ws.close()
  return { ok: true }
})
