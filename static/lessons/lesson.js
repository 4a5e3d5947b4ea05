// Puts fresh figures into the table of the lesson. The buttons stay, so that none moves away under a hand.
setInterval(async () => {
  if (document.hidden) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [mine, fresh] = [document, page].map((one) => [...one.querySelectorAll("#lesson tr")]);
  if (mine.length !== fresh.length) return location.reload();
  mine.forEach((row, at) => [...row.cells].slice(0, -1).forEach((cell, column) => {
    cell.textContent = fresh[at].cells[column].textContent;
  }));
}, 5000);
