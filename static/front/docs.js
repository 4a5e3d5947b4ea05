// Swagger UI has a dark dress, but does not look at what the reader prefers.
const dark = matchMedia("(prefers-color-scheme: dark)")
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches)
dark.addEventListener("change", dress)
dress()
