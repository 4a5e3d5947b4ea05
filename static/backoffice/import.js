// The file of an import or of goods is sent once it is chosen. The table of an import has one tick for a whole page, and
// marks on what is mended or left out.
(() => {
  const upload = document.querySelector("form[data-upload]");
  upload?.addEventListener("change", ({ target }) => { if (target.type === "file" && target.files.length) upload.requestSubmit(); });
  upload?.addEventListener("submit", () => upload.setAttribute("aria-busy", "true"));
  addEventListener("pageshow", () => upload?.removeAttribute("aria-busy"));  // back from the next page
  const form = document.querySelector("#im-form");
  if (!form) return;
  const ticks = [...form.querySelectorAll("input[type=checkbox][name^=take-]")], all = form.querySelector("[data-all]");
  const show = () => {
    for (const tick of ticks) tick.closest("tr").classList.toggle("is-out", !tick.checked);
    if (!all) return;
    all.checked = ticks.every((tick) => tick.checked);
    all.indeterminate = !all.checked && ticks.some((tick) => tick.checked);
  };
  form.addEventListener("change", ({ target }) => {
    if (target === all) for (const tick of ticks) tick.checked = all.checked;
    if (target.name?.startsWith("cell-")) target.classList.toggle("is-mended", target.value !== target.defaultValue);
    show();
  });
  show();
})();
