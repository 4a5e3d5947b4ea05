// Runs examples/miniprogram/utils/api.js outside WeChat: `wx` as the mini program knows it, over Node's own fetch.
// node miniprogram.js FOLDER SERVER USERNAME PASSWORD PICTURE: prints what each step answered, as JSON.
const fs = require("node:fs")
const path = require("node:path")
const WebSocket = globalThis.WebSocket ?? require("ws") // Node has its own from 22 on

const [folder, server, username, password, picture] = process.argv.slice(2)
const storage = {}
global.wx = {
  getStorageSync: name => storage[name] ?? "",
  setStorageSync: (name, value) => void (storage[name] = value),
  removeStorageSync: name => void delete storage[name],
  login: ({ success }) => success({ code: "the code is a mock one" }),
  request({ url, method, data, header, success, fail }) {
    const isGet = method === "GET"
    const query = isGet ? "?" + new URLSearchParams(data) : ""
    const body = isGet ? undefined : JSON.stringify(data)
    fetch(url + query, { method, body, headers: { ...header, ...(body && { "content-type": "application/json" }) } })
      .then(answer => answer.json())
      .then(data => success({ data }), fail)
  },
  uploadFile({ url, filePath, name, formData, header, success, fail }) {
    const form = new FormData()
    for (const [field, value] of Object.entries(formData)) form.append(field, value)
    form.append(name, new Blob([fs.readFileSync(filePath)]), "a.png")
    fetch(url, { method: "POST", body: form, headers: header })
      .then(answer => answer.text())
      .then(data => success({ data }), fail)
  },
  connectSocket({ url }) {
    const socket = new WebSocket(url)
    return {
      onMessage: take => socket.addEventListener("message", ({ data }) => take({ data })),
      close: () => socket.close(),
    }
  },
}

require.cache[path.join(folder, "config.js")] = { exports: { server, sandbox: true } }
const api = require(path.join(folder, "utils/api.js"))

async function day() {
  const guest = await api.login({ nickname: "小鹿" })
  const list = await api.request("/students/getstulist")
  const account = await api.loginAs(username, password)
  const avatar = await api.upload("/users/uploadAvatar", picture, "headimgurl", { uId: account.userInfo.unid })
  const { data: products } = await api.request("/product/get_product", { page: 1, count: 1 })
  const order = await api.request("/pay/pre_order", { product_id: products[0].product_id }, "POST")
  const paid = await api.pay(order.order_id)
  const event = await new Promise(resolve => {
    const task = api.socket(message => resolve(task.close() ?? message.event))
  })
  storage.token = "altered"
  await api.request("/verify")
  return { guest, list, account, avatar, order, paid, event, token: storage.token ?? null }
}

day().then(result => console.log(JSON.stringify(result)))
