import { lazy, Suspense, useState } from "react"
import { get, type MenuEntry, type UsersLoginAnswer } from "./api"
import { Login } from "./Login"
import { Orders } from "./Orders"
import { Shop } from "./Shop"
import { Sign } from "./Sign"
import { Students } from "./Students"

const OURS: MenuEntry[] = [{ name: "商城" }, { name: "我的订单" }, { name: "签到" }]
const Statistics = lazy(() => import("./Statistics")) // 图表的库很大,打开这一页时才下载

export function App() {
  const [me, setMe] = useState<UsersLoginAnswer>()
  const [menu, setMenu] = useState<MenuEntry[]>([])
  const [place, setPlace] = useState("")
  const [fresh, setFresh] = useState("")
  const [problem, setProblem] = useState("")

  async function enter(answer: UsersLoginAnswer) {
    localStorage.setItem("token", answer.token)
    const mine = await get("/permission/getMenuList")
    setMenu(mine.state ? mine.menuList : [])
    setProblem(mine.state ? "" : mine.msg)
    setPlace("管理首页")
    setMe(answer)
  }

  async function leave() {
    await get("/users/sigout") // 没有退成功,本地的 token 也不要了
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
          {problem && <p role="alert">{problem}</p>}
          <Menu entries={[...menu, ...OURS]} place={place} onGo={setPlace} />
        </nav>
        <main>
          {place === "学员项目管理" ? (
            <Students buttons={me.permission.buttons} />
          ) : place === "商城" ? (
            <Shop onOrdered={order => { setFresh(order); setPlace("我的订单") }} />
          ) : place === "我的订单" ? (
            <Orders fresh={fresh} />
          ) : place === "数据统计" ? (
            <Suspense fallback="正在加载…"><Statistics /></Suspense>
          ) : place === "签到" ? (
            <Sign />
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
