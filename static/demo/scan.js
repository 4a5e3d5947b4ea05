// Scan login with socket.io-client 2.3.0, as the API document describes it. Read it from the top.
/* global io */

const $ = id => document.getElementById(id)

/**
 * Show a QR code and wait until it is scanned; the elements are those of templates/demo/scan.html.
 *
 * `call(path, params)` asks the API and answers the body, `note(event, data)` hears what the socket says,
 * `welcome(answer)` gets the answer of the login. Answers a function that stops the waiting.
 */
export function scanLogin({ call, note, welcome }) {
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
    if (reason === "io client disconnect") return // that was us
    note("disconnect", reason)
    retire("连接断开,正在重连…")
  })

  // 2. Ask for the address that the QR code holds.
  async function newCode() {
    const answer = await call("/users/getQrcode", { sid })
    if (!answer.state) return retire(answer.msg)
    $("qr").src = "/demo/login/qr.svg?text=" + encodeURIComponent(answer.scanCodeUrl)
    $("qr").hidden = $("phone").hidden = false
    $("qr").className = ""
    $("phone").href = answer.scanCodeUrl
    $("renew").disabled = false
    ends = Date.now() + $("scan").dataset.ttl * 1000
    tell("请用微信扫码", true)
  }

  // 4. Logged in: the answer is that of an ordinary login.
  async function logIn(wechatCode) {
    $("phone").hidden = true
    tell("已扫码,正在登入…", true)
    const answer = await call("/users/wechatLogin", { wechatCode })
    if (!answer.state) return retire(answer.msg)
    stop()
    tell(answer.msg, true)
    welcome(answer)
  }

  function retire(text) {
    ends = 0
    $("qr").className = "over"
    $("phone").hidden = true
    tell(text, false)
  }

  function stop() {
    clearInterval(clock)
    socket.close()
    $("life").textContent = ""
    $("qr").className = "over"
    $("renew").disabled = $("phone").hidden = true
  }

  function tell(text, good) {
    $("outcome").textContent = text
    $("outcome").className = "outcome " + (good ? "good" : "bad")
  }

  const clock = setInterval(() => {
    const left = Math.ceil((ends - Date.now()) / 1000)
    $("life").textContent = left > 0 ? `${left} 秒内有效` : ""
  }, 250)
  $("renew").onclick = newCode
  tell("正在连接…", true)
  return stop
}
