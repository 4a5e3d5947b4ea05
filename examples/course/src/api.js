import axios from "axios"

const http = axios.create({ baseURL: "/api", timeout: 10000 })

// 每个请求带上 token
http.interceptors.request.use(config => {
  const token = localStorage.getItem("token")
  if (token) config.headers.authorization = token
  return config
})

// 业务结果都是 HTTP 200,看返回体的 state。断网、超时、HTTP 4xx / 5xx 也变成一个失败的返回体,
// 另外带上 http(状态码,断网是 0)和 wait(服务器要求等几秒)。所以页面只看 state:true 才有数据,false 就显示 msg
http.interceptors.response.use(
  ({ data }) => data,
  ({ response, message }) => ({
    state: false,
    msg: message,
    ...(response?.data?.msg && response.data),
    http: response?.status ?? 0,
    wait: Number(response?.headers["retry-after"] ?? 0),
  }),
)

export const get = (path, params) => http.get(path, { params })
export const post = (path, body, headers) => http.post(path, body, { headers })

// 登入成功以后记下 token、用户和按钮的权限
export function keep({ token, userInfo, permission }) {
  localStorage.setItem("token", token)
  localStorage.setItem("me", JSON.stringify({ ...userInfo, buttons: permission.buttons }))
}

export const me = () => JSON.parse(localStorage.getItem("me") ?? "null")
