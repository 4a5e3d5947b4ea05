// Mark a class by keyboard: a digit chooses the status of the student in focus and goes on to the next one.
const groups = [...document.querySelectorAll(".at-grid [role=radiogroup]")]

function go(group) {
  const radio = group && (group.querySelector(":checked") || group.querySelector("input"))
  if (radio) radio.focus()
}

document.addEventListener("keydown", event => {
  const group = event.target.closest("[role=radiogroup]")
  if (!group || event.ctrlKey || event.metaKey || event.altKey) return
  const at = groups.indexOf(group)
  const radio = group.querySelector(`input[value="${event.key}"]`)
  if (radio) {
    radio.checked = true
    go(groups[at + 1] || group)
  } else if (event.key === "ArrowDown") go(groups[at + 1])
  else if (event.key === "ArrowUp") go(groups[at - 1])
  else return
  event.preventDefault()
})
go(groups[0])
