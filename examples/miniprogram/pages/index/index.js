const api = require("../../utils/api.js")

Page({
  data: { user: null, students: [], text: "" },

  say(answer) {
    this.setData({ text: answer.msg || answer.error || "" })
    return answer
  },

  async enter() {
    const answer = this.say(await api.login())
    if (answer.state) this.setData({ user: answer.userInfo })
  },

  async enterAs({ detail: { value } }) {
    const answer = this.say(await api.loginAs(value.username, value.password))
    if (answer.state) this.setData({ user: answer.userInfo })
  },

  async list() {
    const answer = this.say(await api.request("/students/getstulist", { page: 1, count: 10 }))
    if (answer.state) this.setData({ students: answer.data })
  },

  avatar() {
    wx.chooseMedia({
      count: 1,
      mediaType: ["image"],
      success: async ({ tempFiles: [file] }) =>
        this.say(await api.upload("/users/uploadAvatar", file.tempFilePath, "headimgurl", { uId: this.data.user.unid })),
    })
  },

  async buy() {
    const { data: products } = await api.request("/product/get_product", { page: 1, count: 1 })
    if (!products.length) return this.say({ msg: "商城还是空的" })
    const order = this.say(await api.request("/pay/pre_order", { product_id: products[0].product_id }, "POST"))
    return order.state ? this.say(await api.pay(order.order_id)) : order
  },

  listen() {
    const task = api.socket(({ event, data }) => {
      this.say({ msg: `${event} ${data.msg}` })
      task.close({})
    })
  },
})
