import vue from "@vitejs/plugin-vue2"

// Where the server is: VITE_SERVER=http://192.168.1.5:8000 npm run dev
const target = process.env.VITE_SERVER ?? "http://127.0.0.1:8000"
const proxy = {
  "/api": { target, changeOrigin: true, rewrite: path => path.replace(/^\/api/, "") },
  "/socket.io": { target, ws: true },
}

export default { plugins: [vue()], server: { proxy }, preview: { proxy } }
