// Swagger UI knows no language but English. What it writes is replaced as it appears; code and our own texts stay.
const WORDS = {
  "Authorize": "填写 token",
  "Available authorizations": "填写 token",
  "Authorized": "已填写",
  "Apply credentials": "保存",
  "Remove authorization": "清除",
  "Logout": "清除",
  "Close": "关闭",
  "Value:": "token:",
  "Name:": "请求头:",
  "In:": "位置:",
  "header": "请求头",
  "Servers": "服务器",
  "Parameters": "参数",
  "No parameters": "没有参数",
  "Name": "名称",
  "Description": "说明",
  "Request body": "请求体",
  "required": "必填",
  "Try it out": "试一试",
  "Cancel": "取消",
  "Reset": "重置",
  "Execute": "发送",
  "Clear": "清空",
  "Send empty value": "发送空值",
  "Edit Value": "编辑",
  "Example Value": "示例",
  "Examples:": "示例:",
  "Examples": "示例",
  "Example Description": "示例说明",
  "Schema": "结构",
  "Schemas": "数据结构",
  "Responses": "返回",
  "Response content type": "返回格式",
  "Server response": "服务器返回",
  "Response body": "返回体",
  "Response headers": "返回头",
  "Request URL": "请求地址",
  "Request duration": "用时",
  "Code": "状态",
  "Details": "内容",
  "Links": "链接",
  "No links": "无",
  "Media type": "格式",
  "Controls": "决定请求头",
  "Undocumented": "文档中没有",
  "Download": "下载",
  "Download file": "下载文件",
  "Expand all": "全部展开",
  "Collapse all": "全部收起",
  "Expand operation": "展开接口",
  "Collapse operation": "收起接口",
  "Copy to clipboard": "复制",
  "Copied!": "已复制",
  "Loading": "加载中",
  "Failed to load API definition.": "无法读取接口描述,请刷新页面。",
  "Required field is not provided": "请填写必填的参数",
}
const ATTRIBUTES = ["title", "aria-label", "placeholder", "data-label"]
const UNTOUCHED = "pre, code, textarea, .markdown, .renderedMarkdown, .prop-name, .property, td .parameter__name, option"

/** Keep everything that appears under ``root`` in Chinese. */
export function speakChinese(root) {
  const watched = { subtree: true, childList: true, characterData: true }
  const observer = new MutationObserver(changes => {
    observer.disconnect()
    for (const change of changes) {
      if (change.type === "characterData") translateText(change.target)
      change.addedNodes.forEach(translate)
    }
    observer.observe(root, watched)
  })
  translate(root)
  observer.observe(root, watched)
}

function translate(node) {
  if (node.nodeType === Node.TEXT_NODE) return translateText(node)
  if (node.nodeType !== Node.ELEMENT_NODE || node.matches(UNTOUCHED)) return
  for (const name of ATTRIBUTES) {
    const word = WORDS[node.getAttribute(name)?.trim()]
    if (word) node.setAttribute(name, word)
  }
  node.childNodes.forEach(translate)
}

function translateText(node) {
  const text = node.nodeValue.trim()
  if (!Object.hasOwn(WORDS, text) || node.parentElement?.closest(UNTOUCHED)) return
  node.nodeValue = node.nodeValue.replace(text, WORDS[text])
}
