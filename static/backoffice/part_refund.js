// Propose the price of the chosen pieces as the amount, until the clerk types another one.
const amount = document.querySelector("[name=amount]");
const pieces = [...document.querySelectorAll("[data-price]")];
const shelf = document.querySelector("[name=shelf]"), shelfHint = shelf?.labels[0].querySelector("small");
let isTyped = Boolean(amount.value);
amount.addEventListener("input", () => { isTyped = Boolean(amount.value); });
// Who takes pieces back must say where they go. There is no such field if that was said when the goods came back.
const askShelf = () => {
  if (!shelf) return;
  shelf.required = pieces.some((field) => parseInt(field.value, 10) > 0);
  if (shelfHint) shelfHint.hidden = shelf.required;
};
askShelf();
pieces.forEach((field) => field.addEventListener("input", () => {
  askShelf();
  if (isTyped) return;
  const fen = pieces.reduce((sum, one) => sum + Math.round(one.dataset.price * 100) * (parseInt(one.value, 10) || 0), 0);
  const rest = Math.round(document.querySelector("[data-rest]").dataset.rest * 100);
  amount.value = fen ? (Math.min(fen, rest) / 100).toFixed(2) : "";
}));
