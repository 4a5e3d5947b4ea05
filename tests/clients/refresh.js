// The interceptor of /docs/client/: forty calls with a token that is over refresh once, and a dead login leads to the login page.
//   node refresh.js http://127.0.0.1:8000 username password
"use strict"
const { readFileSync, writeFileSync, rmSync } = require("fs")
const { join } = require("path")
const { check, run } = require("./lib")

const [base, username, password] = process.argv.slice(2)
const kept = new Map()
globalThis.localStorage = {
  getItem: name => kept.get(name) ?? null,
  setItem: (name, value) => kept.set(name, String(value)),
  clear: () => kept.clear(),
}
globalThis.location = { hash: "" }
Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true })

run(async () => {
  const text = readFileSync(join(__dirname, "../../templates/front/refresh.js"), "utf-8").replaceAll("/api", base)
  const file = join(__dirname, `refresh-${process.pid}.mjs`) // beside node_modules, where axios is found
  writeFileSync(file, text)
  const { default: http, login } = await import(file).finally(() => rmSync(file))
  check((await login(username, password)).state, "login")
  const first = kept.get("refresh")
  kept.set("token", "over")

  const answers = await Promise.all(Array.from({ length: 40 }, () => http.get("/verify")))

  check(answers.every(answer => answer.state), "every call is sent again")
  const second = kept.get("refresh")
  check(second !== first, "refreshed")
  kept.set("token", "over")
  kept.set("refresh", first) // a used one: the login ends
  check((await http.get("/verify")).code === "1004" && location.hash === "#/login" && !kept.size, "back to the login")
  return { ok: true }
})
