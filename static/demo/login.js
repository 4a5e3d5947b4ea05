// The page around the scan login; the login itself is in scan.js.
import { scanLogin } from "./scan.js"

const $ = id => document.getElementById(id)

async function call(path, params) {
  const response = await fetch(path + "?" + new URLSearchParams(params))
  const body = await response.json()
  note("GET " + path, body.token ? { ...body, token: body.token.slice(0, 12) + "…" } : body)
  return body
}

function note(name, data) {
  const item = document.createElement("li")
  const code = document.createElement("code")
  code.textContent = JSON.stringify(data)
  item.append(name + " ", code)
  $("log").prepend(item)
}

function welcome({ token, userInfo: { nickname, username, roleName, headimgurl } }) {
  localStorage.setItem("token", token)
  $("me").hidden = false
  $("name").textContent = nickname || username
  $("role").textContent = roleName
  $("face").hidden = !headimgurl
  if (headimgurl) $("face").src = headimgurl
}

scanLogin({ call, note, welcome })
