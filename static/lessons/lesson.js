// Puts fresh rows into the board, but not while a button is under the hand: it would move away.
/* global live */
const rows = document.getElementById("lesson");
const isHeld = () => rows.querySelector("button:hover, button:focus");
async function refresh(sid) {
  const answer = await fetch(`?format=rows&sid=${sid}`).catch(() => null);
  const isFresh = answer?.ok && !answer.redirected;
  document.getElementById("live").textContent = isFresh ? "" : "连不上服务器，下面是之前的情况";
  if (!isFresh || isHeld()) return false;
  rows.innerHTML = await answer.text();
  return true;
}
if (rows) live(refresh, isHeld, 10000); // of who joins there is no news

// Counts down what is on. Each page load has the server's times, so only the difference of the clocks can be wrong.
function count() {
  for (const time of document.querySelectorAll("[data-ends]")) {
    const left = Math.round((new Date(time.dataset.ends) - Date.now()) / 1000);
    time.textContent = left > 0 ? `还有 ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : "已结束";
  }
}
count();
setInterval(count, 1000);
