document.querySelector("[data-print]").addEventListener("click", () => print());
// How many slips fit on a page is a matter of the printer: this browser remembers it.
const layouts = [...document.querySelectorAll("[name=layout]")];
const kept = layouts.find((choice) => choice.value === localStorage.getItem("layout"));
if (kept) kept.checked = true;
layouts.forEach((choice) => choice.addEventListener("change", () => localStorage.setItem("layout", choice.value)));
