"use strict";
// The theme asks at "keyup", which neither a pasted text nor a Chinese input method is sure to cause.
document.addEventListener("input", (event) => {
  if (event.target.id === "search-input-command") event.target.dispatchEvent(new Event("keyup", { bubbles: true }));
});

// It takes only a list out of the answer, so that nothing found looks like nothing asked.
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  const { target, xhr } = detail;
  if (target.id !== "command-results" || target.children.length || !xhr.responseText) return;
  const note = document.createElement("p");
  note.className = "bo-nothing";
  note.role = "status";
  note.textContent = "没有找到。换一个词试试，或者到列表里筛选。";
  target.append(note);
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
