// The API reference: Swagger UI in Chinese, which takes the token of a login by itself.
import { speakChinese } from "./reference.zh.js"

const dark = matchMedia("(prefers-color-scheme: dark)")
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches)
dark.addEventListener("change", dress)
dress()

const ui = SwaggerUIBundle({
  url: "/schema/",
  dom_id: "#swagger-ui",
  docExpansion: "none",
  persistAuthorization: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  responseInterceptor: response => {
    const token = new URL(response.url).pathname !== "/schema/" && response.obj?.token
    if (token) ui.preauthorizeApiKey("token", token)
    return response
  },
})

speakChinese(document.getElementById("swagger-ui"))
