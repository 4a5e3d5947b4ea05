// A reverse proxy as people run them: round robin, nothing sticky, and a request whose server died goes to the next one.
"use strict"
const http = require("http")
const net = require("net")

/** Start it before servers at `ports` of 127.0.0.1; answers { base, close }. */
async function startProxy(ports, port = 0) {
  let turn = 0
  const targets = () => ports.map((_, i) => ports[(turn + i) % ports.length])

  const server = http.createServer((req, res) => {
    const body = []
    req.on("data", chunk => body.push(chunk))
    req.on("end", () => pass(targets()))
    turn++

    function pass([target, ...others]) {
      // A connection of its own: a kept one may be closed by the server just as we write to it.
      const options = { agent: false, host: "127.0.0.1", port: target, method: req.method, path: req.url, headers: req.headers }
      const onward = http.request(options, answer => {
        res.writeHead(answer.statusCode, answer.headers)
        answer.pipe(res)
        answer.on("error", () => res.destroy())
      })
      onward.on("error", () => {
        if (res.headersSent || !others.length) res.destroy()
        else pass(others)
      })
      res.on("close", () => onward.destroy())
      onward.end(Buffer.concat(body))
    }
  })

  server.keepAliveTimeout = 0 // for the same reason we close none

  server.on("upgrade", (req, socket, head) => {
    turn++
    const lines = req.rawHeaders.reduce((text, part, i) => text + part + (i % 2 ? "\r\n" : ": "), "")
    connect(targets())

    function connect([target, ...others]) {
      const onward = net.connect(target, "127.0.0.1", () => {
        onward.write(`${req.method} ${req.url} HTTP/1.1\r\n${lines}\r\n`)
        onward.write(head)
        onward.pipe(socket).pipe(onward)
        socket.on("error", () => onward.destroy())
        onward.on("close", () => socket.destroy())
        socket.on("close", () => onward.destroy())
      })
      onward.on("error", () => (onward.bytesRead || !others.length ? socket.destroy() : connect(others)))
    }
  })

  await new Promise(done => server.listen(port, "127.0.0.1", done))
  return { base: `http://127.0.0.1:${server.address().port}`, close: () => { server.close(); server.closeAllConnections() } }
}

module.exports = { startProxy }
if (require.main === module) {
  const [port, ...ports] = process.argv.slice(2).map(Number)
  startProxy(ports, port).then(({ base }) => console.log(base))
}
