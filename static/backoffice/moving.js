// Shows what moves by itself (a refund, a comparison) without touching what the user types, ticks or is about to press:
// fetches the page, and puts in the parts that differ and hold nothing to fill in.
(() => {
  const CONTROLS = "input, select, textarea, button, summary, form";
  const keyOf = (row) => row.querySelector("input[name=_selected_action]")?.value;

  function update(old, fresh) {
    if (!fresh || old.isEqualNode(fresh)) return;
    const isFree = (part) => !part.matches(CONTROLS) && !part.querySelector(CONTROLS);
    if (isFree(old) && isFree(fresh)) old.replaceWith(document.importNode(fresh, true));
    else if (!old.matches(CONTROLS) && old.children.length === fresh.children.length) {
      [...old.children].forEach((child, at) => update(child, fresh.children[at]));
    }
  }

  async function look() {
    if (document.hidden) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const rows = new Map([...page.querySelectorAll("#result_list tbody tr")].map((row) => [keyOf(row), row]));
    for (const row of document.querySelectorAll("#result_list tbody tr")) {
      row.classList.toggle("is-gone", !rows.has(keyOf(row)));
      update(row, rows.get(keyOf(row)));
    }
    const [mine, theirs] = [document, page].map((one) => [...one.querySelectorAll(".readonly")]);
    if (mine.length === theirs.length) mine.forEach((part, at) => update(part, theirs[at]));
    if (page.querySelector("[data-moves]")) return;
    clearInterval(timer);
    const link = Object.assign(document.createElement("a"), { href: location.href, className: "text-link", textContent: "刷新本页" });
    document.querySelector("[data-moves]").replaceChildren("已经有结果。", link, "，可以看到新的按钮。");
  }

  const timer = setInterval(look, 5000);
})();
