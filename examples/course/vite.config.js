import vue from "@vitejs/plugin-vue"

// 服务器的地址
const target = process.env.VITE_SERVER ?? "http://127.0.0.1:8000"

export default {
  plugins: [vue()],
  esbuild: { jsx: "automatic" }, // React
  // 一开始就准备好每一课用到的库,以后新建的页不用等
  optimizeDeps: {
    include: [
      "axios", "qrcode", "react", "react/jsx-dev-runtime", "react-dom/client", "socket.io-client", "vue",
      "echarts/charts", "echarts/components", "echarts/core", "echarts/renderers",
    ],
  },
  server: {
    proxy: {
      "/api": { target, changeOrigin: true, rewrite: path => path.replace(/^\/api/, "") },
      "/socket.io": { target, ws: true },
      "/ws/login": { target, ws: true },
    },
  },
  define: { SERVER: JSON.stringify(target) }, // 沙箱的页面在服务器上,链接要写全地址
}
