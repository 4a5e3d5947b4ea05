"use strict";
// Ctrl+K: asks while one types, and shows what was found. The theme's dialog is told of it as htmx would tell it.
const FIND_AFTER_MS = 250;
let findTimer = 0;

async function findShow(text) {
  const place = document.getElementById("command-results");
  const answer = text && (await fetch(`/admin/search/?extended=1&s=${encodeURIComponent(text)}`));
  if (answer && (!answer.ok || answer.redirected)) return;
  const found = new DOMParser().parseFromString(answer ? await answer.text() : "", "text/html");
  if (document.getElementById("search-input-command").value.trim() !== text) return; // a later question is on its way
  place.replaceChildren(...found.querySelectorAll("#command-results-list"));
  if (answer && !place.children.length) {
    const note = document.createElement("p");
    note.className = "bo-nothing";
    note.role = "status";
    note.textContent = "没有找到。换一个词试试，或者到列表里筛选。";
    place.append(note);
  }
  place.dispatchEvent(new CustomEvent("htmx:after-swap", { bubbles: true }));
}

document.addEventListener("input", ({ target }) => {
  if (target.id !== "search-input-command") return;
  clearTimeout(findTimer);
  findTimer = setTimeout(() => findShow(target.value.trim()), FIND_AFTER_MS);
});

// It leaves Ctrl+K to the browser while the user types in a field.
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, textarea, [contenteditable]");
  if (event.key !== "k" || !(event.ctrlKey || event.metaKey) || !isTyping) return;
  event.preventDefault();
  if (event.target.id !== "search-input-command") window.dispatchEvent(new CustomEvent("opencommand"));
});

// With nothing chosen by the arrow keys, Enter means the first that was found.
document.addEventListener(
  "keydown",
  (event) => {
    if (event.key !== "Enter" || event.target.id !== "search-input-command") return;
    const search = Alpine.$data(event.target);
    if (!search.currentIndex && search.totalItems) search.currentIndex = 1;
    if (!search.currentIndex) event.stopPropagation();
  },
  true,
);
