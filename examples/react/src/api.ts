import axios from "axios"
// 服务器的 /docs/types.d.ts;接口变了就重新下载
import type { Failure, paths } from "./types"

export type * from "./types"

// 服务器在哪里:VITE_SERVER=http://192.168.1.5:8000 npm run dev
export const server: string = import.meta.env.VITE_SERVER ?? "http://127.0.0.1:8000"

export const http = axios.create({ baseURL: server, timeout: 10000 })

http.interceptors.request.use(config => {
  const token = localStorage.getItem("token")
  if (token) config.headers.authorization = token
  return config
})

// 类型从接口描述来:路径写错、少传参数、用了没有的字段,编译时就知道
type Json<Body> = Body extends { content: { "application/json": infer Inside } } ? Inside : never
type Answer<Call> = Call extends { responses: { 200: infer Body } } ? Json<Body> : never
type Query<Call> = Call extends { parameters: { query?: infer Params } } ? Params : never
type Sent<Call> = Call extends { requestBody?: infer Body } ? Json<NonNullable<Body>> : never
type GetPath = { [P in keyof paths]: paths[P] extends { get: object } ? P : never }[keyof paths]
type PostPath = { [P in keyof paths]: paths[P] extends { post: object } ? P : never }[keyof paths]

export const get = <P extends GetPath>(path: P, params?: Query<paths[P]["get"]>) =>
  asked<Answer<paths[P]["get"]>>(http.get(path, { params }))

export const post = <P extends PostPath>(path: P, body?: Sent<paths[P]["post"]>, headers?: Record<string, string>) =>
  asked<Answer<paths[P]["post"]>>(http.post(path, body ?? {}, { headers }))

// 同一个 key 发几次只做一次;crypto.randomUUID 只在 https 和本机才有
export const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), part => part.toString(16)).join("-")

/** 服务器做了没有,不知道:没有答复,或者 429、5xx。 */
export const isLost = ({ state, status }: { state: boolean; status: number }) => !state && (status === 429 || (status >= 500 && status < 600))

/** 业务结果都是 HTTP 200;断网、超时、HTTP 4xx / 5xx 也变成一个失败的返回体,没有答复时 status 是 503。 */
export async function asked<Body>(request: Promise<{ data: Body }>): Promise<Body | Failure> {
  try {
    const { data } = await request
    const { code } = data as Partial<Failure>
    if (code === "10022" || code === "1004") localStorage.removeItem("token")
    return data
  } catch (error) {
    if (axios.isAxiosError<Failure>(error) && error.response?.data.msg) return error.response.data
    return { status: 503, state: false, msg: String(error) }
  }
}
