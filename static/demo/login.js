// Scan login with socket.io-client 2.3.0, as the API document describes it. Read it from the top.
/* global io */
(() => {
  const $ = id => document.getElementById(id)
  let sid = ""
  let ends = 0

  // Also `?transport=polling` or `?transport=websocket`, to try one transport alone.
  const wanted = new URLSearchParams(location.search).get("transport")
  const socket = io(location.origin, wanted ? { transports: [wanted] } : {})

  // 1. Connected: the sid says which screen a QR code belongs to. A new connection has a new one.
  socket.on("connectSuccess", data => {
    note("connectSuccess", data)
    sid = data.sid
    newCode()
  })
  // 3. Scanned: trade the code for a token.
  socket.on("scancodeSuccess", data => {
    note("scancodeSuccess", data)
    logIn(data.wechatCode)
  })
  socket.on("invalidCode", data => {
    note("invalidCode", data)
    retire(data.msg + ",请换一个")
  })
  socket.on("disconnect", reason => {
    note("disconnect", reason)
    if (reason !== "io client disconnect") retire("连接断开,正在重连…")
  })

  // 2. Ask for the address that the QR code holds.
  async function newCode() {
    const answer = await get("/users/getQrcode", { sid })
    if (!answer.state) return retire(answer.msg)
    $("qr").src = "/demo/login/qr.svg?text=" + encodeURIComponent(answer.scanCodeUrl)
    $("qr").alt = "微信扫码登入的二维码"
    $("qr").hidden = $("phone").hidden = false
    $("qr").className = ""
    $("phone").href = answer.scanCodeUrl
    $("renew").disabled = false
    ends = Date.now() + 120e3
    tell("请用微信扫码", true)
  }

  // 4. Logged in: the answer is that of an ordinary login.
  async function logIn(wechatCode) {
    $("phone").hidden = true
    tell("已扫码,正在登入…", true)
    const answer = await get("/users/wechatLogin", { wechatCode })
    if (!answer.state) return retire(answer.msg)
    localStorage.setItem("token", answer.token)
    const { nickname, username, roleName, headimgurl } = answer.userInfo
    $("me").hidden = false
    $("name").textContent = nickname || username
    $("role").textContent = roleName
    $("face").hidden = !headimgurl
    if (headimgurl) $("face").src = headimgurl
    ends = 0
    $("qr").className = "over"
    $("renew").disabled = true
    tell(answer.msg, true)
    const next = new URLSearchParams(location.search).get("next") || ""
    // Only a path of this site: an address such as `//elsewhere` leads away.
    $("next").hidden = !/^\/(?![/\\])/.test(next)
    if (!$("next").hidden) $("next").href = next
    socket.close()
  }

  async function get(path, params) {
    const response = await fetch(path + "?" + new URLSearchParams(params))
    const body = await response.json()
    note("GET " + path, body.token ? { ...body, token: body.token.slice(0, 12) + "…" } : body)
    return body
  }

  function retire(text) {
    ends = 0
    $("qr").className = "over"
    $("phone").hidden = true
    tell(text, false)
  }

  function tell(text, good) {
    $("outcome").textContent = text
    $("outcome").className = "outcome " + (good ? "good" : "bad")
  }

  function note(name, data) {
    const item = document.createElement("li")
    const code = document.createElement("code")
    code.textContent = JSON.stringify(data)
    item.append(name + " ", code)
    $("log").prepend(item)
  }

  setInterval(() => {
    const left = Math.ceil((ends - Date.now()) / 1000)
    $("life").textContent = left > 0 ? `${left} 秒内有效` : ""
  }, 250)
  $("renew").addEventListener("click", newCode)
})()
