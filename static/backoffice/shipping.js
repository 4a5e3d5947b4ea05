// A scanner ends each number with Enter, and some send it twice, so Enter goes to the next field and never sends the
// form: from the last one it goes nowhere. A column copied in a spreadsheet is pasted into this field and those below.
const [numbers, fees] = ["tracking", "fee"].map((kind) => [...document.querySelectorAll(`[data-${kind}]`)]);
const courierOf = (field) => field.closest("tr").querySelector("select");
const FORMS = Object.entries(JSON.parse(document.getElementById("courier-numbers").textContent)).map(([name, form]) => [name, new RegExp(form)]);
const recognised = (field) => FORMS.find(([, form]) => form.test(field.value.replace(/\s/g, "").toUpperCase()))?.[0];

function recognise(field) {
  const courier = courierOf(field), name = recognised(field);
  if ([...courier.options].some((option) => option.value === name)) courier.value = name;
}

for (const column of [numbers, fees]) column.forEach((field, at) => {
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    (column[at + 1] ?? field).focus();
  });
  field.addEventListener("paste", (event) => {
    const lines = event.clipboardData.getData("text").trimEnd().split(/\r?\n/);
    if (lines.length < 2) return;
    event.preventDefault();
    lines.slice(0, column.length - at).forEach((line, below) => {
      column[at + below].value = line.trim();
      if (column === numbers) recognise(column[at + below]);
    });
  });
});
numbers.forEach((field, at) => {
  field.addEventListener("input", () => recognise(field));
  // The courier of a number that tells none is usually that of the next such numbers, too. What goes without a courier
  // (":hand", ":later") is chosen for each order.
  let before = courierOf(field).value;
  courierOf(field).addEventListener("focus", (event) => { before = event.target.value; });
  courierOf(field).addEventListener("change", (event) => {
    if (!`${event.target.value}${before}`.includes(":")) for (const below of numbers.slice(at + 1)) {
      if (below.dataset.tracking === "sent" && !below.value) continue; // it has not left, or without a parcel
      if (courierOf(below).value === before && !recognised(below)) courierOf(below).value = event.target.value;
    }
    before = event.target.value;
  });
});
const sheet = document.getElementById("id_sheet");
sheet?.addEventListener("change", () => sheet.parentElement.querySelector("button").click());
(document.querySelector("td:has(.bo-wrong) :is(input, select)") ?? numbers[0])?.focus();
