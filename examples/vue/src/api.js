import axios from "axios"
import { Message } from "element-ui"

const http = axios.create({ baseURL: "/api", timeout: 10000 })

// 每个请求带上 token
http.interceptors.request.use(config => {
  const token = localStorage.getItem("token")
  if (token) config.headers.authorization = token
  return config
})

// 业务结果都是 HTTP 200,看返回体的 state;登入失效就回登入页
http.interceptors.response.use(
  ({ data }) => {
    if (data.code === "10022" || data.code === "1004") {
      localStorage.removeItem("token")
      location.reload()
    }
    return data
  },
  error => {
    Message.error(error.response?.data?.msg ?? error.message)
    return error.response?.data ?? { state: false, msg: error.message }
  },
)

export const get = (path, params) => http.get(path, { params })
export const post = (path, body) => http.post(path, body)
