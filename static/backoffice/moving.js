// Shows the page anew while something on it moves by itself, unless somebody is at work on it.
setInterval(() => {
  const isAtWork = document.querySelector("input:checked, input:focus, select:focus")
    || document.querySelector("#changelist-filter-close")?.checkVisibility();
  if (!document.hidden && !isAtWork) location.reload();
}, 5000);
