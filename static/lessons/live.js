// Calls `ask` when there is news: it names the page's socket to the server, which tells that socket once of the next
// call. What depends on the time as well is asked for again: when it is sure that a debounce lasted and that a polling
// ended, and then every `late` ms, as who is stuck. Without a socket: every 2 s. Returns a function that brings news.
/* global io */
const SOON = 2000;

function live(ask, isBusy, late) {
  const pauses = [2500, 10000, late];
  let sid = "", hasNews = false, asked = Date.now(), quiet = 0;
  const socket = window.io?.(location.origin); // production notes no calls
  socket?.on("connectSuccess", (hello) => { sid = hello.sid; hasNews = true; });
  socket?.on("lessonNews", () => { hasNews = true; });
  socket?.on("disconnect", () => { sid = ""; });
  setInterval(async () => {
    const age = Date.now() - asked;
    if (document.hidden || isBusy() || age < (sid && !hasNews ? pauses[quiet] : SOON)) return;
    quiet = hasNews ? 0 : Math.min(quiet + 1, 2);
    hasNews = false;
    asked = Infinity; // until the answer is there
    const isShown = await ask(sid).catch(() => false); // the connection may break in the middle of an answer
    hasNews ||= !isShown;
    asked = Date.now();
  }, 500);
  return () => { hasNews = true; };
}
