// Figures as a chart, and attendance as a projector shows it. Read it from the top.
/* global io */

const $ = id => document.getElementById(id)

/** Draw one series of `/statistics/trend`. A real client gives `xAxis` and `series` to ECharts as they are. */
export async function drawTrend(call) {
  const { state, data } = await call("GET", "/statistics/trend", { of: "attendance" })
  if (!state) return
  const { name, data: values } = data.series[0]
  const bars = values.map((value, at) => `<rect x="${at}" y="${1 - (value ?? 0)}" width=".8" height="${value ?? 0}"/>`)
  $("chart").setAttribute("viewBox", `0 0 ${values.length} 1`)
  $("chart").innerHTML = bars.join("")
  $("chart").removeAttribute("hidden")
  $("chart-text").textContent = `${name},${data.xAxis[0]} 到 ${data.xAxis.at(-1)}:没有柱子的日子没有考勤`
}

let socket = null

/** Open a session of a class, or take the one of this period, and show its codes and signs until it ends. */
export async function projectCode(call, note, className) {
  const opened = await call("POST", "/attendance/open", { class: className })
  const id = opened.attendance_id
  if (!id) return tell(opened.msg, false)
  const { data } = await call("GET", "/attendance/getRecords", { attendance_id: id })
  $("signs").replaceChildren(...data.map(signLine))
  socket?.close()
  socket = io(location.origin)
  // The sid says which screen is meant. A new connection has a new one.
  socket.on("connectSuccess", async ({ sid }) => {
    const answer = await call("GET", "/attendance/getCode", { attendance_id: id, sid })
    answer.state ? showCode(answer) : tell(answer.msg, false)
  })
  socket.on("attendanceCode", showCode)
  socket.on("attendanceSigned", sign => {
    note("attendanceSigned", sign)
    document.querySelector(`#signs [data-sid="${CSS.escape(sign.sId)}"]`)?.replaceWith(signLine(sign))
    tell(`${sign.name} ${sign.attendanceStatus},已签到 ${sign.signed} / ${sign.total}`, true)
  })
  socket.on("attendanceClosed", () => {
    $("sign-code").hidden = true
    tell("考勤已结束", true)
    socket.close()
  })
}

function showCode({ signUrl, expires_in }) {
  $("sign-code").src = "/demo/login/qr.svg?text=" + encodeURIComponent(signUrl)
  $("sign-code").hidden = false
  $("sign-phone").href = signUrl
  $("sign-phone").hidden = false
  if (!$("school-outcome").textContent) tell(`每个码 ${expires_in} 秒内有效,每 5 秒换一个`, true)
}

function signLine({ sId, name, attendanceStatus }) {
  const line = document.createElement("li")
  line.dataset.sid = sId
  line.textContent = `${name} ${attendanceStatus}`
  return line
}

function tell(text, good) {
  $("school-outcome").textContent = text
  $("school-outcome").className = "outcome " + (good ? "good" : "bad")
}
