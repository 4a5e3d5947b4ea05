import { useEffect, useState, type FormEvent } from "react"
import io from "socket.io-client"
import QRCode from "qrcode"
import { asked, get, http, post, server, type Failure, type UsersLoginAnswer } from "./api"

type Props = { onWelcome: (answer: UsersLoginAnswer) => void }
const ways = ["密码登入", "短信登入", "扫码登入"] as const

export function Login({ onWelcome }: Props) {
  const [way, setWay] = useState<(typeof ways)[number]>("密码登入")
  const [problem, setProblem] = useState("")
  const finish = (answer: UsersLoginAnswer | Failure) => (answer.state ? onWelcome(answer) : setProblem(answer.msg))

  return (
    <section className="login">
      <h1>学员管理系统</h1>
      <p className="tabs">
        {ways.map(name => (
          <button key={name} className={name === way ? "here" : ""} onClick={() => { setWay(name); setProblem("") }}>{name}</button>
        ))}
      </p>
      {way === "密码登入" && <ByPassword finish={finish} />}
      {way === "短信登入" && <BySms finish={finish} />}
      {way === "扫码登入" && <ByScan finish={finish} />}
      <p role="alert">{problem}</p>
    </section>
  )
}

type Way = { finish: (answer: UsersLoginAnswer | Failure) => void }

function ByPassword({ finish }: Way) {
  const [username, setUsername] = useState("")
  const [password, setPassword] = useState("")

  async function submit(event: FormEvent) {
    event.preventDefault()
    finish(await post("/users/login", { username, password }))
  }

  return (
    <form onSubmit={submit}>
      <input placeholder="账户" value={username} onChange={event => setUsername(event.target.value)} />
      <input placeholder="密码" type="password" value={password} onChange={event => setPassword(event.target.value)} />
      <button>登入</button>
    </form>
  )
}

function BySms({ finish }: Way) {
  const [phoneNumber, setPhoneNumber] = useState("")
  const [code, setCode] = useState("")
  const [key, setKey] = useState("") // 代替 cookie:跨域时浏览器不一定带

  async function send() {
    const answer = await post("/sms/send", { phoneNumber })
    if (answer.state) setKey(answer.key)
    else finish(answer)
  }

  async function submit(event: FormEvent) {
    event.preventDefault()
    finish(await asked<UsersLoginAnswer | Failure>(http.post("/users/login?type=sms", { code, key })))
  }

  return (
    <form onSubmit={submit}>
      <input placeholder="手机号" value={phoneNumber} onChange={event => setPhoneNumber(event.target.value)} />
      <button type="button" onClick={send}>{key ? "已发送" : "发送验证码"}</button>
      <input placeholder="5位验证码" value={code} onChange={event => setCode(event.target.value)} />
      <button>登入</button>
    </form>
  )
}

function ByScan({ finish }: Way) {
  const [text, setText] = useState("正在连接…")
  const [code, setCode] = useState<{ url: string; picture: string }>()

  useEffect(() => {
    const socket = io(server)
    socket.on("connectSuccess", async ({ sid }: { sid: string }) => {
      const answer = await get("/users/getQrcode", { sid })
      if (!answer.state) return setText(answer.msg)
      setCode({ url: answer.scanCodeUrl, picture: await QRCode.toDataURL(answer.scanCodeUrl) })
      setText("请用微信扫码")
    })
    socket.on("scancodeSuccess", async ({ wechatCode }: { wechatCode: string }) => {
      finish(await get("/users/wechatLogin", { wechatCode }))
    })
    socket.on("invalidCode", ({ msg }: Failure) => {
      setCode(undefined)
      setText(msg)
    })
    return () => {
      socket.close()
    }
  }, [])

  return (
    <div className="scan">
      {code && <img src={code.picture} alt="二维码" />}
      <p>{text}</p>
      {/* 没有真微信时:在另一个标签页里扮演手机 */}
      {code && <a href={code.url} target="_blank" rel="noreferrer">打开“手机”</a>}
    </div>
  )
}
