// Blocks of code: coloured, with their file's name and a button that copies. Vue and React side by side become tabs.
// A page without a list of its lessons gets one of its headings.
const TOKENS = new RegExp([
  String.raw`(?<comment>\/\*[^]*?\*\/|<!--[^]*?-->|(?<![:\w"'])\/\/.*)`,
  String.raw`(?<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|` + "`(?:\\\\.|[^`\\\\])*`)",
  String.raw`(?<keyword>\b(?:as|async|await|break|catch|const|default|else|export|extends|finally|for|from|function|if|import|in|interface|let|new|of|return|throw|try|type|while|true|false|null|undefined)\b)`,
  String.raw`(?<tag><\/?[A-Za-z][\w.-]*|(?<=[\w"'}\s])\/?>)`,
  String.raw`(?<number>\b\d[\d_.]*\b)`,
  String.raw`(?<call>\b[A-Za-z_$][\w$]*(?=\())`,
].join("|"), "g")
const SHELL = /(?<comment>(?<=^|\s)#.*)|(?<string>"[^"]*"|'[^']*')/gm

function colour(code) {
  const text = code.textContent
  const isShell = /language-(sh|text)/.test(code.className)
  const parts = []
  let at = 0
  for (const match of text.matchAll(isShell ? SHELL : TOKENS)) {
    const [kind] = Object.entries(match.groups).find(([, found]) => found !== undefined)
    const token = Object.assign(document.createElement("span"), { className: kind, textContent: match[0] })
    parts.push(text.slice(at, match.index), token)
    at = match.index + match[0].length
  }
  code.replaceChildren(...parts, text.slice(at))
}

async function copy(text) {
  // The clipboard exists for https and this machine alone; a class opens the page by http.
  if (navigator.clipboard) return navigator.clipboard.writeText(text)
  const area = Object.assign(document.createElement("textarea"), { value: text })
  document.body.append(area)
  area.select()
  document.execCommand("copy")
  area.remove()
}

function dress(pre) {
  const text = pre.textContent
  const box = document.createElement("div")
  const bar = document.createElement("div")
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "复制" })
  box.className = pre.dataset.file ? "code" : "code unnamed"
  bar.append(Object.assign(document.createElement("span"), { textContent: pre.dataset.file ?? "" }), button)
  button.addEventListener("click", async () => {
    await copy(text)
    button.textContent = "已复制"
    setTimeout(() => (button.textContent = "复制"), 1500)
  })
  pre.replaceWith(box)
  box.append(bar, pre)
  pre.querySelectorAll("code").forEach(colour)
  pre.tabIndex = 0
  return box
}

/** Show one of the two frameworks, on this page and the next. */
function choose(framework) {
  localStorage.setItem("framework", framework)
  document.querySelectorAll(".code[data-framework]").forEach(box => (box.hidden = box.dataset.framework !== framework))
  document.querySelectorAll(".frameworks button").forEach(one => one.setAttribute("aria-pressed", one.value === framework))
}

for (const pre of document.querySelectorAll("main pre")) {
  const box = dress(pre)
  const framework = { vue: "vue", jsx: "react" }[pre.dataset.file?.split(".").pop()]
  if (framework) box.dataset.framework = framework
  if (framework !== "vue") continue
  const tabs = document.createElement("p")
  tabs.className = "frameworks"
  for (const [value, name] of [["vue", "Vue 3"], ["react", "React"]]) {
    const button = Object.assign(document.createElement("button"), { type: "button", value, textContent: name })
    button.addEventListener("click", () => choose(value))
    tabs.append(button)
  }
  box.before(tabs)
}
choose(localStorage.getItem("framework") ?? "vue")

// They are pushed sideways on a phone; by keyboard too.
document.querySelectorAll(".lesson table").forEach(table => (table.tabIndex = 0))

const main = document.querySelector("main")
const headings = [...main.querySelectorAll("h2")]
if (headings.length > 1 && !main.querySelector(".side")) {
  const side = document.createElement("nav")
  const rest = document.createElement("div")
  side.className = "side"
  side.setAttribute("aria-label", "本页目录")
  rest.append(...main.childNodes)
  main.append(side, rest)
  for (const heading of headings) {
    heading.id ||= heading.textContent
    side.append(Object.assign(document.createElement("a"), { href: `#${heading.id}`, textContent: heading.textContent }))
  }
}

document.querySelector(".lesson h1")?.after(document.querySelector(".start"))
const next = document.querySelector(".side [aria-current]")?.nextElementSibling
if (next) {
  const line = Object.assign(document.createElement("p"), { className: "next" })
  line.append(Object.assign(document.createElement("a"), { href: next.href, textContent: `下一课：${next.lastChild.textContent} →` }))
  document.querySelector(".lesson").append(line)
}
document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" })
