import { useState, type FormEvent } from "react"
import { post } from "./api"

export function Sign() {
  const [scanned, setScanned] = useState("")
  const [text, setText] = useState("")

  // 手机扫码会直接打开服务器的签到页;这里把地址里的 code 发回去
  async function sign(event: FormEvent) {
    event.preventDefault()
    const code = URL.canParse(scanned) ? new URL(scanned).searchParams.get("code") : null
    if (!code) return setText("这不是签到地址")
    const answer = await post("/attendance/sign", { code })
    setText(answer.state ? `${answer.msg}:${answer.attendanceStatus}` : answer.msg)
  }

  return (
    <form className="bar" onSubmit={sign}>
      <input placeholder="扫到的地址" size={60} value={scanned} onChange={({ target }) => setScanned(target.value)} />
      <button>签到</button> <span role="status">{text}</span>
    </form>
  )
}
