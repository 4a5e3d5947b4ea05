// What the client tests share: the clients by name, and the scan login as a client goes through it.
"use strict"

const clients = {
  "2.3.0": require("socket.io-client-2"),
  "3.1.3": require("socket.io-client-3").io,
  "4.8.4": require("socket.io-client-4").io,
}
const transports = { default: undefined, polling: ["polling"], websocket: ["websocket"] }

function open(version, transport, base, more = {}) {
  const options = { forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 300, ...more }
  if (transports[transport]) options.transports = transports[transport]
  return clients[version](base, options)
}

/** The next `name` event of a socket: its data. */
function next(socket, name, ms = 10000) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} within ${ms} ms`)), ms)
    socket.once(name, data => {
      clearTimeout(timer)
      resolve(data)
    })
  })
}

async function get(base, path, params = {}, headers = {}) {
  const answer = await fetch(base + path + "?" + new URLSearchParams(params), { headers, redirect: "manual" })
  const text = await answer.text()
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The sandbox's phone: opens the address in the QR, allows, and follows to our callback. Answers the callback's page. */
async function scan(scanCodeUrl, name = "李小明", action = "allow") {
  const page = scanCodeUrl.replace("#wechat_redirect", "")
  const shown = await fetch(page)
  const cookie = shown.headers.getSetCookie().map(line => line.split(";")[0]).join("; ")
  const token = /name="csrfmiddlewaretoken" value="([^"]+)"/.exec(await shown.text())[1]
  const body = new URLSearchParams({ csrfmiddlewaretoken: token, other: name, action })
  const allowed = await fetch(page, { method: "POST", body, headers: { cookie }, redirect: "manual" })
  const location = allowed.headers.get("location")
  const welcome = await fetch(location, { headers: { accept: "text/html" } })
  return { location, html: await welcome.text() }
}

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

function check(fact, text) {
  if (!fact) throw new Error(text)
}

module.exports = { clients, transports, open, next, get, scan, sleep, check }
