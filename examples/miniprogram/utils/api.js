// 登入、请求、上传、socket、支付。小程序不带 cookie,凭证只有请求头里的 token。
const { server, sandbox } = require("../config.js")

const headers = () => {
  const token = wx.getStorageSync("token")
  return token ? { authorization: token } : {}
}

// 业务结果都是 HTTP 200,看返回体;登入失效就忘掉 token。
function answered(body, resolve) {
  if (body.code === "10022" || body.code === "1004") wx.removeStorageSync("token")
  resolve(body)
}

function request(path, data = {}, method = "GET") {
  return new Promise((resolve, reject) =>
    wx.request({
      url: server + path,
      method,
      data,
      header: headers(),
      success: ({ data: body }) => answered(body, resolve),
      fail: reject,
    }),
  )
}

function upload(path, filePath, name = "headimgurl", formData = {}) {
  return new Promise((resolve, reject) =>
    wx.uploadFile({
      url: server + path,
      filePath,
      name,
      formData,
      header: headers(),
      success: ({ data }) => answered(JSON.parse(data), resolve), // uploadFile 给的是文本
      fail: reject,
    }),
  )
}

function keep(answer) {
  if (answer.state) wx.setStorageSync("token", answer.token)
  return answer
}

// 没有 AppID 的项目,开发者工具给的 code 是 the code is a mock one:登入为同一网络共用的游客。
const wechatCode = () => new Promise((resolve, reject) => wx.login({ success: ({ code }) => resolve(code), fail: reject }))

const login = async (profile = {}) =>
  keep(await request("/users/wxLogin", { ...profile, code: await wechatCode() }, "POST"))

// 在沙箱里以自己的账号登入:先用密码登入,再用这个账号的“手机”给出的 code。
async function loginAs(username, password) {
  const account = keep(await request("/users/login", { username, password }, "POST"))
  if (!account.state) return account
  const { code } = await request("/sandbox/mini/code")
  return keep(await request("/users/wxLogin", { code }, "POST"))
}

const requestPayment = params =>
  new Promise((resolve, reject) => {
    const { timeStamp, nonceStr, package: prepay, signType, paySign } = params
    wx.requestPayment({ timeStamp, nonceStr, package: prepay, signType, paySign, success: resolve, fail: reject })
  })

// 用小程序登入的 token 支付,不用传 openid。以服务器查到的结果为准。
async function pay(orderId) {
  const params = await request("/pay/payment", { order_id: orderId, trade_type: "JSAPI" }, "POST")
  if (!params.state) return params
  if (sandbox) await request("/sandbox/control/pay", { prepay_id: params.prepay_id, deliver: true }, "POST")
  else await requestPayment(params)
  return request("/order/query_order_status", { order_id: orderId })
}

// 普通的 WebSocket,消息是 {"event": …, "data": …}。
function socket(onMessage) {
  const task = wx.connectSocket({ url: server.replace("http", "ws") + "/ws/login" })
  task.onMessage(({ data }) => onMessage(JSON.parse(data)))
  return task
}

module.exports = { request, upload, login, loginAs, pay, socket }
