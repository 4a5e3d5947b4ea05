// The projected page: a socket gets a code every 5 s and hears who signs. Read docs/socket.md for the events.
/* global io */
const codePath = document.body.dataset.code
const $ = id => document.getElementById(id)
const STATUSES = ["未签到", "出勤", "迟到", "早退", "请假", "旷课"]
const socket = io(location.origin)
let sid

async function show() {
  const answer = await fetch(`${codePath}?sid=${sid}`).then(response => response.json()).catch(() => ({}))
  if (socket.disconnected) return
  if (!answer.state) return end(answer.status === 1005 ? "考勤已结束" : answer.msg || "请刷新此页")
  $("qr").src = answer.qr
  $("qr").hidden = false
  $("outcome").textContent = "请用手机扫码签到"
}

function end(text) {
  $("qr").hidden = true
  $("outcome").textContent = text
}

socket.on("connectSuccess", hello => {
  sid = hello.sid
  show()
})
socket.on("attendanceCode", show)
socket.on("attendanceSigned", ({ sId, name, attendanceStatus, signed, total }) => {
  $("signed").textContent = signed
  $("total").textContent = total
  const row = document.querySelector(`#people [data-sid="${CSS.escape(sId)}"]`)
  if (!row) return
  row.className = `at-${STATUSES.indexOf(attendanceStatus)}`
  row.querySelector("small").textContent = attendanceStatus
  row.setAttribute("aria-label", `${name} ${attendanceStatus}`)
})
socket.on("attendanceClosed", () => {
  end("考勤已结束")
  socket.close()
})
socket.on("disconnect", reason => {
  if (reason !== "io client disconnect") end("连接断开，正在重连…")
})
