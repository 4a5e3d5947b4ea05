// socket.io 4 on Node doing what our socket process does, for benchmarks/sockets.py.
//   node benchmarks/sockets_node.js --port 8202
"use strict"
const { createServer } = require("http")
const { randomBytes } = require("crypto")
const { Server } = require("../tests/clients/node_modules/socket.io")

const codes = new Map()
const http = createServer((req, res) => {
  const url = new URL(req.url, "http://x")
  const say = body => res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body))
  if (url.pathname === "/users/getQrcode") {
    const state = randomBytes(16).toString("hex")
    codes.set(state, url.searchParams.get("sid"))
    say({ state: true, status: 200, scanCodeUrl: `https://a.example/?state=${state}#wechat_redirect` })
  } else if (url.pathname === "/users/wechatCallBack") {
    const state = url.searchParams.get("state")
    const wechatCode = url.searchParams.get("code")
    io.to(codes.get(state)).emit("scancodeSuccess", { status: 200, state: true, msg: "已扫码", wechatCode })
    codes.delete(state)
    say({ state: true, status: 200, msg: "已扫码" })
  } else say({ state: true })
})
const io = new Server(http, { cors: { origin: true, credentials: true }, allowEIO3: true })
io.on("connection", socket => socket.emit("connectSuccess", { state: true, status: 200, sid: socket.id, msg: "连接成功" }))
http.listen(Number(process.argv[3]), "127.0.0.1", 8192)
