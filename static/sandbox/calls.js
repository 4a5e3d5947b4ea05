// Send the form of the user's own switch. The token goes into a header, as with every call.
const form = document.getElementById("switch")

form.addEventListener("submit", async event => {
  event.preventDefault()
  const sent = Object.fromEntries(new FormData(form))
  const body = { answer: sent.answer, calls: sent.calls.split(/[,，\s]+/).filter(Boolean) }
  for (const name of ["delay_ms", "jitter_ms", "rate", "minutes"]) body[name] = Number(sent[name])
  if (event.submitter.value === "off") body.off = true
  if (sent.whom) body[/^[0-9a-f]{32}$/.test(sent.whom) ? "unid" : "class_name"] = sent.whom
  const response = await fetch("/sandbox/control/calls", {
    method: "POST",
    headers: { "Content-Type": "application/json", authorization: sent.token },
    body: JSON.stringify(body),
  })
  document.getElementById("answer").textContent = JSON.stringify(await response.json(), null, 2)
})
