// Moves the bar of a run at work, and shows the page anew once the work is over.
(() => {
  const box = document.querySelector("[data-progress]");
  if (!box) return;
  const bar = box.querySelector("progress"), text = box.querySelector("[data-progress-text]");
  const look = async () => {
    try {
      const answer = await fetch(box.dataset.progress, { headers: { Accept: "application/json" } });
      const now = await answer.json();
      if (!now.working) return location.reload();
      bar.value = now.percent;
      text.textContent = now.total ? `${now.done} / ${now.total}` : "正在排队或读取文件…";
      box.querySelector("[data-stalled]").hidden = !now.stalled;
    } catch { /* the next look may succeed */ }
    setTimeout(look, 700);
  };
  setTimeout(look, 300);
})();
