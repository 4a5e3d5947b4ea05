// A scanner ends each number with Enter, and some send it twice. Shipping cannot be taken back, so Enter goes to the
// next field and never sends the form: from the last one it goes nowhere.
const numbers = [...document.querySelectorAll("[data-tracking]")];
numbers.forEach((field, at) => field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  (numbers[at + 1] ?? field).focus();
}));
const courier = document.querySelector("[name=express_company]");
(courier && !courier.value ? courier : numbers[0])?.focus();
