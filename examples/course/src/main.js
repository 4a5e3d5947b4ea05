// 页面的框架,不用改。src 里每个大写字母开头的 .vue、.jsx 都是一页:新建、保存,它就出现在上方
import { createElement } from "react"
import { createRoot } from "react-dom/client"
import { createApp } from "vue"
import { keep, me, post } from "./api"
import "./style.css"

const pages = import.meta.glob(["./[A-Z]*.vue", "./[A-Z]*.jsx"])
const here = "./" + location.hash.slice(1)
const [header, main] = document.querySelectorAll("header, main")

header.innerHTML = Object.keys(pages).map(path => `<a href="#${path.slice(2)}">${path.slice(2)}</a>`).join("")
header.querySelector(`[href="#${here.slice(2)}"]`)?.classList.add("here")
addEventListener("hashchange", () => location.reload())

const form = document.createElement("form")
form.innerHTML = me()
  ? `${me().nickname || me().username}(${me().roleName}) <button name="do" value="copy">复制 token</button> <button name="do" value="leave">换账号</button>`
  : '<input name="username" placeholder="账户"> <input name="password" type="password" placeholder="密码"> <button>登入</button>'
form.onsubmit = async event => {
  event.preventDefault()
  if (event.submitter?.value === "copy") return navigator.clipboard.writeText(localStorage.getItem("token"))
  if (event.submitter?.value === "leave") localStorage.clear()
  else {
    const answer = await post("/users/login", Object.fromEntries(new FormData(form)))
    if (!answer.state) return alert(answer.msg)
    keep(answer)
  }
  location.reload()
}
header.append(form)

if (pages[here]) {
  const { default: Page } = await pages[here]()
  if (here.endsWith(".vue")) createApp(Page).mount(main)
  else createRoot(main).render(createElement(Page))
} else main.innerHTML = "<p>在 src 里新建第一页,例如 Lesson1.vue 或 Lesson1.jsx,保存以后点上方它的名字。</p>"
