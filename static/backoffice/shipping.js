// A scanner ends each number with Enter, which would send the form after the first parcel: go to the next field.
const numbers = [...document.querySelectorAll("[data-tracking]")];
numbers.forEach((field, at) => field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || at === numbers.length - 1) return;
  event.preventDefault();
  numbers[at + 1].focus();
}));
const courier = document.querySelector("[name=express_company]");
(courier && !courier.value ? courier : numbers[0])?.focus();
