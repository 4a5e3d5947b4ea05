import { useEffect, useState } from "react"
import QRCode from "qrcode"
import { get, post, server, type Order } from "./api"

const MERCHANT = { appid: "wxed58e834201d0894", mch_id: "1568650321" }
const ENDED = [3002, 3003, 3004] // 取消、无效、关闭:不会再变
const COUNT = 5

export function Orders({ fresh }: { fresh: string }) {
  const [orders, setOrders] = useState<Order[]>([])
  const [paying, setPaying] = useState<{ order_id: string; phone: string; picture: string }>()
  const [page, setPage] = useState(1)
  const [total, setTotal] = useState(0)
  const [outcome, setOutcome] = useState("")

  async function load() {
    const answer = await post("/order/get_order", { page, count: COUNT })
    if (!answer.state) return setOutcome(answer.msg)
    if (!("total" in answer)) return // 不传 order_id 是列表,传了是一个
    setOrders(answer.data)
    setTotal(answer.total)
  }

  useEffect(() => {
    load()
  }, [page])
  useEffect(() => {
    if (fresh) pay(fresh)
  }, [fresh])

  // 付款页开着就每秒问一次,关掉就停。问完再等:用 setInterval,网络慢时请求会叠在一起,付了还在问
  useEffect(() => {
    if (!paying) return
    let timer: number | undefined
    const ask = async () => {
      const answer = await get("/order/query_order_status", { order_id: paying.order_id })
      if (timer === undefined) return
      if (!answer.state && !ENDED.includes(answer.status)) {
        timer = window.setTimeout(ask, 1000) // 尚未支付,或者这一次没有问到
        return
      }
      setPaying(undefined)
      setOutcome(answer.msg)
      load()
    }
    timer = window.setTimeout(ask, 1000)
    return () => {
      window.clearTimeout(timer)
      timer = undefined
    }
  }, [paying])

  async function pay(order_id: string) {
    const answer = await post("/pay/payment", { ...MERCHANT, order_id })
    if (!answer.state) return setOutcome(answer.msg)
    if (answer.trade_type !== "NATIVE") return // JSAPI、APP 没有 code_url
    const phone = server + "/sandbox/pay/?code_url=" + encodeURIComponent(answer.code_url)
    setPaying({ order_id, phone, picture: await QRCode.toDataURL(answer.code_url) })
  }

  async function act(path: "/order/cancel" | "/order/del_order", order_id: string) {
    setOutcome((await get(path, { order_id })).msg)
    load()
  }

  return (
    <>
      <p role="status">{outcome}</p>
      {paying && (
        <div className="scan">
          <img src={paying.picture} alt="付款码" />
          {/* 没有真微信时:沙箱的手机 */}
          <a href={paying.phone} target="_blank" rel="noreferrer">打开“手机”付款</a>
          <button onClick={() => setPaying(undefined)}>关闭</button>
        </div>
      )}
      <table>
        <thead><tr><th>订单号</th><th>商品</th><th>金额</th><th>买家</th><th>时间</th><th>状态</th><th /></tr></thead>
        <tbody>
          {orders.map(({ order_id, orderDetail, total_fee, user_nickname, create_time, state_text, order_status, pay_status }) => (
            <tr key={order_id}>
              <td>{order_id}</td>
              <td>{orderDetail.map(row => `${row.title}×${row.quantity}`).join("、")}</td>
              <td>{total_fee.toFixed(2)}</td><td>{user_nickname}</td><td>{create_time}</td><td>{state_text}</td>
              <td>
                {order_status === 1 && pay_status === 0 ? (
                  <>
                    <button onClick={() => pay(order_id)}>付款</button>
                    <button onClick={() => act("/order/cancel", order_id)}>取消</button>
                  </>
                ) : (
                  <button onClick={() => act("/order/del_order", order_id)}>删除</button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="bar">
        共 {total} 单
        <button disabled={page === 1} onClick={() => setPage(page - 1)}>上一页</button>
        <button disabled={page * COUNT >= total} onClick={() => setPage(page + 1)}>下一页</button>
      </p>
    </>
  )
}
