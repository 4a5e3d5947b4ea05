import { useState } from "react"
import { get, type MenuEntry, type UsersLoginAnswer } from "./api"
import { Login } from "./Login"
import { Orders } from "./Orders"
import { Shop } from "./Shop"
import { Students } from "./Students"

const OURS: MenuEntry[] = [{ name: "商城" }, { name: "我的订单" }]

export function App() {
  const [me, setMe] = useState<UsersLoginAnswer>()
  const [menu, setMenu] = useState<MenuEntry[]>([])
  const [place, setPlace] = useState("")
  const [fresh, setFresh] = useState("")

  async function enter(answer: UsersLoginAnswer) {
    localStorage.setItem("token", answer.token)
    const mine = await get("/permission/getMenuList")
    setMenu(mine.state ? mine.menuList : [])
    setPlace("管理首页")
    setMe(answer)
  }

  async function leave() {
    await get("/users/sigout")
    localStorage.removeItem("token")
    setMe(undefined)
  }

  if (!me) return <Login onWelcome={enter} />
  const { nickname, username, roleName, vipLevel, vipExpires } = me.userInfo
  return (
    <>
      <header>
        <strong>学员管理系统</strong>
        <span>
          {vipLevel > 0 && <mark>VIP{vipLevel} 至 {vipExpires}</mark>} 您好,{nickname || username}({roleName}){" "}
          <button onClick={leave}>退出登入</button>
        </span>
      </header>
      <div className="page">
        <nav>
          <Menu entries={[...menu, ...OURS]} place={place} onGo={setPlace} />
        </nav>
        <main>
          {place === "学员项目管理" ? (
            <Students buttons={me.permission.buttons} />
          ) : place === "商城" ? (
            <Shop onOrdered={order => { setFresh(order); setPlace("我的订单") }} />
          ) : place === "我的订单" ? (
            <Orders fresh={fresh} />
          ) : (
            <h1>{place}</h1>
          )}
        </main>
      </div>
    </>
  )
}

type MenuProps = { entries: MenuEntry[]; place: string; onGo: (name: string) => void }

function Menu({ entries, place, onGo }: MenuProps) {
  return (
    <ul>
      {entries.map(({ name, children }) => (
        <li key={name}>
          {children ? (
            <>{name}<Menu entries={children} place={place} onGo={onGo} /></>
          ) : (
            <button className={name === place ? "here" : ""} onClick={() => onGo(name)}>{name}</button>
          )}
        </li>
      ))}
    </ul>
  )
}
