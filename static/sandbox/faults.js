// Send a form of faults as the JSON that scripts send, then show the page as it is now.
for (const form of document.querySelectorAll("form[data-faults]")) {
  form.addEventListener("submit", async event => {
    event.preventDefault()
    const body = { reset: true }
    if (form.dataset.faults) body.code_url = form.dataset.faults
    const boxes = event.submitter.name === "reset" ? [] : form.querySelectorAll("[name=on]:checked")
    for (const box of boxes) body[box.value] = Number(form.elements[`seconds-${box.value}`]?.value) || true
    const response = await fetch("/sandbox/control/faults", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    })
    if (response.ok) location.reload()
    else form.querySelector("[role=alert]").textContent = (await response.json()).error
  })
}
