// Records what real clients and real servers say to each other, for the packet tests.
//   node record.js ../../sockets/tests/recordings
"use strict"
const fs = require("fs")
const http = require("http")
const path = require("path")
const { clients, next, sleep } = require("./lib")

const servers = {
  "2.3.0": { make: server => require("socket.io-server-2")(server), speaks: ["2.3.0"] },
  "4.8.4": { make: server => new (require("socket.io").Server)(server, { allowEIO3: true }), speaks: ["2.3.0", "3.1.3", "4.8.4"] },
}
const plain = body => (typeof body === "string" ? { text: body } : { base64: Buffer.from(body).toString("base64") })

/** Note every HTTP body and every frame that passes through `server`. */
function listen(server, io, log) {
  server.prependListener("request", (req, res) => {
    const url = new URL(req.url, "http://x")
    const noted = { via: "polling", method: req.method, transport: url.searchParams.get("transport") }
    const sent = []
    // Reading a GET would end it, and engine.io takes that for a client that left.
    if (req.method === "POST") req.on("data", chunk => sent.push(Buffer.from(chunk)))
    const { end, write } = res
    const answered = []
    res.write = (chunk, ...rest) => { answered.push(Buffer.from(chunk)); return write.call(res, chunk, ...rest) }
    res.end = (chunk, ...rest) => {
      if (chunk && typeof chunk !== "function") answered.push(Buffer.from(chunk))
      if (req.method === "POST") log.push({ from: "client", ...noted, type: req.headers["content-type"], ...body(req.headers["content-type"], Buffer.concat(sent)) })
      const type = String(res.getHeader("content-type") || "")
      log.push({ from: "server", ...noted, status: res.statusCode, type, ...body(type, Buffer.concat(answered)) })
      return end.call(res, chunk, ...rest)
    }
  })
  const engine = io.eio || io.engine
  const { handleUpgrade } = engine.ws
  engine.ws.handleUpgrade = (req, socket, head, done) => handleUpgrade.call(engine.ws, req, socket, head, ws => {
    const { send } = ws
    ws.send = (data, ...rest) => { log.push({ from: "server", via: "websocket", ...plain(data) }); return send.call(ws, data, ...rest) }
    ws.prependListener("message", (data, isBinary) => log.push({ from: "client", via: "websocket", ...plain(typeof data === "string" ? data : isBinary === false ? data.toString() : data) }))
    done(ws)
  })
}

const body = (type, bytes) => (String(type).includes("octet-stream") ? { base64: bytes.toString("base64") } : { text: bytes.toString() })

async function record(serverVersion, clientVersion, transport) {
  const log = []
  const server = http.createServer()
  const io = servers[serverVersion].make(server)
  io.on("connection", socket => {
    socket.on("want", answer => { answer("好 😀"); socket.emit("bytes", { a: Buffer.from([0, 255]), text: "é" }) })
    socket.emit("connectSuccess", { state: true, status: 200, sid: socket.id, msg: "连接成功" })
  })
  await new Promise(done => server.listen(0, "127.0.0.1", done))
  listen(server, io, log)
  const base = `http://127.0.0.1:${server.address().port}`
  const options = { forceNew: true, ...(transport === "default" ? {} : { transports: [transport] }) }
  const socket = clients[clientVersion](base, options)
  await next(socket, "connectSuccess")
  await sleep(transport === "default" ? 500 : 50)
  socket.emit("hello", "中文 😀", { list: [1, null, "\u2028\u001e"] })
  socket.emit("binary", Buffer.from([0, 1, 2, 255, 30, 10]), { more: Buffer.from("二进制") })
  const bytes = next(socket, "bytes")
  socket.emit("want", () => {})
  await bytes
  const admin = clients[clientVersion](base + "/admin?a=b", options)
  await Promise.race([next(admin, "connect_error"), next(admin, "error")])
  admin.close()
  socket.disconnect()
  await sleep(100)
  io.close()
  return { server: serverVersion, client: clientVersion, transport, log }
}

async function main(folder) {
  fs.mkdirSync(folder, { recursive: true })
  for (const [serverVersion, { speaks }] of Object.entries(servers)) {
    for (const clientVersion of speaks) {
      for (const transport of ["default", "polling", "websocket"]) {
        const recording = await record(serverVersion, clientVersion, transport)
        const name = `server-${serverVersion}-client-${clientVersion}-${transport}.json`
        fs.writeFileSync(path.join(folder, name), JSON.stringify(recording, null, 1) + "\n")
      }
    }
  }
  process.exit(0)
}
main(process.argv[2])
