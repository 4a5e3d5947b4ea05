import axios from "axios"

const http = axios.create({ baseURL: "/api", timeout: 10000 })

// 每个请求带上 token
http.interceptors.request.use(config => {
  const token = localStorage.getItem("token")
  if (token) config.headers.authorization = token
  return config
})

// 业务结果都是 HTTP 200,看返回体的 state;登入失效就回登入页。断网、超时、HTTP 4xx / 5xx 也变成一个失败的返回体,
// 所以页面只要看 state:true 才有数据,false 就把 msg 显示出来。isLost:服务器做了没有,不知道
http.interceptors.response.use(
  ({ data }) => {
    if (data.code === "10022" || data.code === "1004") {
      localStorage.removeItem("token")
      location.reload()
    }
    return data
  },
  ({ response, message }) => ({
    ...(response?.data?.msg ? response.data : { state: false, msg: message }),
    isLost: !response || response.status === 429 || response.status >= 500,
  }),
)

export const get = (path, params) => http.get(path, { params })
export const post = (path, body, headers) => http.post(path, body, { headers })
// 同一个 key 发几次只做一次;crypto.randomUUID 只在 https 和本机才有
export const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), part => part.toString(16)).join("-")
