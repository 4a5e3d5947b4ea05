// The demo client: plain fetch, no framework, no build step. Read it from the top.
import { scanLogin } from "./scan.js"
import { drawTrend, projectCode } from "./school.js"

const $ = id => document.getElementById(id)
const kept = JSON.parse(localStorage.getItem("buttons") ?? "[]")
const state = { token: localStorage.getItem("token"), buttons: kept, captchaKey: "", orderId: "", polling: 0, stopScan: null }

/** Call the API and show the call in the log of `step`. Answers the parsed body. */
async function call(step, method, path, params = {}) {
  const headers = state.token ? { authorization: state.token } : {}
  const options = { method, headers, credentials: "include" }
  let address = path
  if (method === "GET") {
    const query = new URLSearchParams(params).toString()
    if (query) address += "?" + query
  } else {
    headers["content-type"] = "application/json"
    options.body = JSON.stringify(params)
  }
  const answer = await fetch(address, options)
  const body = await answer.json()
  show(step, method, address, method === "GET" ? null : params, body)
  if (body.code === "10022" || body.code === "1004") leave("登入已失效,请重新登入")
  return body
}

function show(step, method, address, params, body) {
  const sent = params && { ...params, ...(params.password ? { password: "***" } : {}) }
  const title = `${method} ${address} → ${body.state ? "成功" : "失败"} ${body.msg ?? ""}`
  note(step, title, (sent ? "请求 " + pretty(sent) + "\n\n" : "") + "返回 " + pretty(body))
}

function pretty(value) {
  return JSON.stringify(value, (key, inner) => (key === "img" ? inner.slice(0, 60) + "…" : inner), 2)
}

function note(step, title, text) {
  const details = document.createElement("details")
  const summary = document.createElement("summary")
  summary.textContent = title
  const body = document.createElement("pre")
  body.textContent = text
  details.append(summary, body)
  document.querySelector(`[data-log="${step}"]`).prepend(details)
}

function tell(id, text, good) {
  $(id).textContent = text
  $(id).className = "outcome " + (good ? "good" : "bad")
}

// ---- 1. Log in ---------------------------------------------------------------------------------

async function refreshCaptcha() {
  const { img, key } = await call("login", "GET", "/users/getCaptcha")
  state.captchaKey = key
  $("captcha-image").innerHTML = img
}

async function login(event) {
  event.preventDefault()
  const form = Object.fromEntries(new FormData(event.target))
  const checked = await call("login", "GET", "/users/verifyCaptcha", { captcha: form.captcha, key: state.captchaKey })
  if (!checked.state) {
    tell("login-outcome", checked.msg, false)
    return refreshCaptcha()
  }
  const answer = await call("login", "POST", "/users/login", { username: form.username, password: form.password })
  if (!answer.state) {
    tell("login-outcome", answer.msg, false)
    return refreshCaptcha()
  }
  welcome(answer)
}

function scan() {
  state.stopScan?.()
  $("scan").hidden = false
  state.stopScan = scanLogin({
    call: (path, params) => call("login", "GET", path, params),
    note: (event, data) => note("login", `socket 收到 ${event}`, pretty(data)),
    welcome,
  })
  $("scan").scrollIntoView({ block: "nearest" })
}

async function sendSms() {
  const phoneNumber = new FormData($("sms-form")).get("phone")
  const answer = await call("login", "POST", "/sms/send", { phoneNumber })
  tell("login-outcome", answer.state ? "验证码已发送" : answer.msg, answer.state)
}

async function loginBySms(event) {
  event.preventDefault()
  const code = new FormData(event.target).get("code")
  const answer = await call("login", "POST", "/users/login?type=sms", { code })
  if (!answer.state) return tell("login-outcome", answer.msg, false)
  welcome(answer)
}

function welcome({ token, permission, userInfo: { nickname, username } }) {
  localStorage.setItem("token", token)
  // What the role may do with records. The server decides; a client only hides what would be refused.
  localStorage.setItem("buttons", JSON.stringify(permission.buttons))
  state.buttons = permission.buttons
  enter(token, nickname || username)
}

function enter(token, name) {
  state.token = token
  state.stopScan?.()
  tell("login-outcome", `您好,${name}`, true)
  setLoggedIn(true)
}

function leave(text) {
  localStorage.removeItem("token")
  localStorage.removeItem("buttons")
  state.buttons = []
  state.token = null
  setLoggedIn(false)
  tell("login-outcome", text, false)
  refreshCaptcha()
}

function setLoggedIn(yes) {
  for (const id of ["load-menu", "add-student", "load-products", "load-trend"]) $(id).disabled = !yes
  for (const form of ["search-form", "session-form"]) $(form).querySelector("[type=submit]").disabled = !yes
  $("ways").hidden = yes
  $("add-student").hidden = yes && !may("add")
  $("buttons-hint").hidden = !yes
  $("buttons-hint").textContent = `permission.buttons: ${state.buttons.join("、") || "无"};没有的按钮不显示`
  $("logout").hidden = !yes
  $("scan").hidden = true
}

/** Whether the role has the button `read`, `add`, `edit` or `delete`. */
function may(button) {
  return state.buttons.includes(button)
}

// ---- 2. Menu -----------------------------------------------------------------------------------

function tree(entries) {
  const list = document.createElement("ul")
  for (const { name, children } of entries) {
    const item = document.createElement("li")
    item.textContent = name
    if (children?.length) item.append(tree(children))
    list.append(item)
  }
  return list
}

async function loadMenu() {
  const { state: fine, menuList } = await call("menu", "GET", "/permission/getMenuList")
  if (fine) $("menu-tree").replaceChildren(tree(menuList))
}

// ---- 3. Students -------------------------------------------------------------------------------

async function search(event) {
  event?.preventDefault()
  const key = new FormData($("search-form")).get("key")
  const answer = await call("students", "GET", "/students/searchstu", { key, page: 1, count: 8 })
  if (!answer.state) return tell("students-outcome", answer.msg, false)
  tell("students-outcome", `共 ${answer.total} 名,显示最新 ${answer.data.length} 名`, true)
  $("student-table").hidden = false
  $("student-table").tBodies[0].replaceChildren(...answer.data.map(studentRow))
}

function studentRow(student) {
  const row = document.createElement("tr")
  for (const field of ["sId", "name", "class", "city"]) row.insertCell().textContent = student[field]
  const remove = document.createElement("button")
  remove.type = "button"
  remove.textContent = "删除"
  remove.setAttribute("aria-label", `删除 ${student.name}`)
  remove.onclick = async () => {
    const answer = await call("students", "GET", "/students/delstu", { sId: student.sId })
    await search()
    tell("students-outcome", answer.msg, answer.state)
  }
  const cell = row.insertCell()
  if (may("delete")) cell.append(remove)
  return row
}

async function addStudent() {
  const answer = await call("students", "POST", "/students/addstu", {
    class: "H51901", name: "演示学员", age: "21", city: "重庆", degree: "本科",
    productUrl: "https://example.com", description: "从演示页面来",
  })
  await search()
  tell("students-outcome", answer.msg, answer.state)
}

// ---- 4. Shop -----------------------------------------------------------------------------------

async function loadProducts() {
  const answer = await call("shop", "GET", "/product/get_product", { page: 1, count: 8 })
  if (!answer.state) return tell("cart-outcome", answer.msg, false)
  $("product-list").replaceChildren(...answer.data.map(productCard))
}

function productCard(product) {
  const item = document.createElement("li")
  const name = document.createElement("strong")
  name.textContent = product.productName
  const price = document.createElement("div")
  price.textContent = `¥${product.price} · 库存 ${product.inventory}`
  const add = document.createElement("button")
  add.type = "button"
  add.textContent = "加入购物车"
  add.setAttribute("aria-label", `把 ${product.productName} 加入购物车`)
  add.onclick = async () => {
    const answer = await call("shop", "POST", "/cart/add_to_cart", { product_id: product.product_id, count: 1 })
    tell("cart-outcome", answer.msg, answer.state)
    if (answer.state) $("place-order").disabled = false
  }
  if (product.imageUrl) {
    const picture = document.createElement("img")
    picture.src = new URL(product.imageUrl, location).pathname
    picture.alt = product.productName
    item.append(picture)
  }
  item.append(name, price, add)
  return item
}

async function placeOrder() {
  const cart = await call("shop", "GET", "/cart/get_cart")
  if (!cart.state) return tell("cart-outcome", cart.msg, false)
  const product_id = cart.data.map(row => row.product_id).join(",")
  await call("shop", "POST", "/cart/check", { product_id })
  const answer = await call("shop", "POST", "/pay/pre_order", { phone: "13800000000", address: "重庆" })
  tell("cart-outcome", answer.state ? `${answer.msg},订单号 ${answer.order_id}` : answer.msg, answer.state)
  if (!answer.state) return
  state.orderId = answer.order_id
  $("place-order").disabled = true
  $("start-payment").disabled = false
  $("return-order").disabled = true
  tell("pay-outcome", `订单 ${$("pay").dataset.orderTtl}内有效,请付款`, true)
  await loadProducts() // the stock has changed
}

// ---- 5. Pay ------------------------------------------------------------------------------------

async function startPayment() {
  const answer = await call("pay", "POST", "/pay/payment", { order_id: state.orderId })
  if (!answer.state) return tell("pay-outcome", answer.msg, false)
  // A real client draws `code_url` as a QR code; the sandbox has a page that plays the phone.
  $("phone-link").href = "/sandbox/pay/?code_url=" + encodeURIComponent(answer.code_url)
  $("phone-link").hidden = false
  tell("pay-outcome", "等待付款…", true)
  clearInterval(state.polling)
  state.polling = setInterval(pollPayment, 2000)
}

async function pollPayment() {
  const answer = await call("pay", "GET", "/order/query_order_status", { order_id: state.orderId })
  if (answer.status === 3005) return
  clearInterval(state.polling)
  $("phone-link").hidden = true
  $("start-payment").disabled = true
  $("return-order").disabled = !answer.state
  tell("pay-outcome", answer.msg, answer.state)
}

async function returnOrder() {
  const answer = await call("pay", "POST", "/order/returns", { order_id: state.orderId })
  tell("pay-outcome", answer.msg, answer.state)
  $("return-order").disabled = answer.state
}

// ---- 6. Figures and attendance ----------------------------------------------------------------

const callSchool = (method, path, params) => call("school", method, path, params)

function openSession(event) {
  event.preventDefault()
  const hear = (name, data) => note("school", `socket 收到 ${name}`, pretty(data))
  return projectCode(callSchool, hear, new FormData(event.target).get("class"))
}

// ---- Wiring ------------------------------------------------------------------------------------

$("login-form").addEventListener("submit", login)
$("captcha-image").addEventListener("click", refreshCaptcha)
$("send-sms").addEventListener("click", sendSms)
$("sms-form").addEventListener("submit", loginBySms)
$("wechat-login").addEventListener("click", scan)
$("logout").addEventListener("click", async () => leave((await call("login", "GET", "/users/sigout")).msg))
$("load-menu").addEventListener("click", loadMenu)
$("search-form").addEventListener("submit", search)
$("add-student").addEventListener("click", addStudent)
$("load-products").addEventListener("click", loadProducts)
$("place-order").addEventListener("click", placeOrder)
$("start-payment").addEventListener("click", startPayment)
$("return-order").addEventListener("click", returnOrder)
$("load-trend").addEventListener("click", () => drawTrend(callSchool))
$("session-form").addEventListener("submit", openSession)

refreshCaptcha()
if (state.token) {
  const { state: fine, decode } = await call("login", "GET", "/verify")
  if (fine) enter(state.token, decode.nickname || decode.username)
}
