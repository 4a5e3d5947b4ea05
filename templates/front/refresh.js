import axios from "axios"

const http = axios.create({ baseURL: "/api", timeout: 10000 })

const keep = ({ token, refresh }) => {
  localStorage.setItem("token", token)
  localStorage.setItem("refresh", refresh)
}

// 一个 refresh 只能用一次,所以同一时刻只有一个请求去刷新;navigator.locks 让别的标签页也排队(https 或 localhost)
let queue = Promise.resolve()
const alone = work => navigator.locks?.request("refresh", work) ?? (queue = queue.then(work, work))

const refresh = sent => alone(async () => {
  if (localStorage.getItem("token") !== sent) return true // 刚刚有别的请求刷新过
  const { data } = await axios.post("/api/users/refresh", { refresh: localStorage.getItem("refresh") })
  if (data.state) keep(data)
  return data.state
})

http.interceptors.request.use(config => {
  config.headers.authorization = localStorage.getItem("token")
  return config
})

http.interceptors.response.use(async ({ data, config }) => {
  if (data.code !== "1004" || config.isAgain) return data
  if (await refresh(config.headers.authorization)) return http({ ...config, isAgain: true }) // 换了 token,原样再发一次
  localStorage.clear()
  location.hash = "#/login"
  return data
})

export async function login(username, password) {
  const answer = await http.post("/users/login", { username, password, refresh: 1, access_s: 30 }) // 30 秒,练习用
  if (answer.state) keep(answer)
  return answer
}

export default http
