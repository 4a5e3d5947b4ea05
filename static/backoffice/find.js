"use strict";
// The theme asks at "keyup", which neither a pasted text nor a Chinese input method is sure to cause.
document.addEventListener("input", (event) => {
  if (event.target.id === "search-input-command") event.target.dispatchEvent(new Event("keyup", { bubbles: true }));
});
