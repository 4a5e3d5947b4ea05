document.querySelector("[data-print]").addEventListener("click", () => print());
// How many slips somebody prints on a page is a matter of their printer: this browser remembers it.
const layouts = [...document.querySelectorAll("[name=layout]")];
const kept = layouts.find((choice) => choice.value === localStorage.getItem("layout"));
if (kept) kept.checked = true;
layouts.forEach((choice) => choice.addEventListener("change", () => localStorage.setItem("layout", choice.value)));
