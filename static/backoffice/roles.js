// The editor of a role: filters and "select all" above the ticks, and the menu as a tree instead of JSON.
(() => {
  const make = (tag, facts = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(facts)) {
      if (name in made && name !== "list") made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  };

  // --- Groups of ticks ---
  for (const picker of document.querySelectorAll("[data-picker]")) {
    const filter = picker.querySelector("[data-filter]"), count = picker.querySelector("[data-count]");
    const boxes = [...picker.querySelectorAll("input[type=checkbox]")], others = picker.id === "id_rows" ? document.getElementById("id_other_rows") : null;
    const inUse = (group) => [...group.querySelectorAll("[data-option]:not([hidden]) input")];

    const show = () => {
      const rows = [...boxes.filter((box) => box.checked).map((box) => box.value), ...(others?.value.split("\n") ?? [])];
      const ticked = boxes.filter((box) => box.checked).length;
      const stars = rows.map((row) => row.trim()).filter((row) => row.endsWith("*"));
      let covered = 0;
      for (const box of boxes) {
        const hint = box.closest("[data-option]").querySelector("[data-covered]");
        const by = hint && stars.find((star) => star !== box.value && box.value.toLowerCase().startsWith(star.slice(0, -1).toLowerCase()));
        if (hint) hint.textContent = by ? `已包含在 ${by} 中` : "";
        if (by && !box.checked) covered += 1;
      }
      for (const group of picker.querySelectorAll("[data-group]")) {
        const button = group.querySelector("[data-all]"), shown = inUse(group);
        button.textContent = shown.length && shown.every((box) => box.checked) ? "全不选" : "全选";
        button.setAttribute("aria-label", `${button.textContent}：${group.querySelector("legend").firstChild.textContent.trim()}`);
      }
      count.textContent = `共 ${boxes.length} 项，已勾选 ${ticked} 项${covered ? `，另有 ${covered} 项由 * 包含` : ""}`;
    };

    picker.querySelector("[data-tools]").hidden = false;
    filter.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
    filter.addEventListener("input", () => {
      const wanted = filter.value.trim().toLowerCase();
      for (const group of picker.querySelectorAll("[data-group]")) {
        const ofGroup = group.querySelector("legend").firstChild.textContent.toLowerCase().includes(wanted);
        for (const option of group.querySelectorAll("[data-option]")) {
          option.hidden = !ofGroup && !option.textContent.toLowerCase().includes(wanted);
        }
        group.hidden = !inUse(group).length;
      }
      show();
    });
    for (const button of picker.querySelectorAll("[data-all]")) {
      button.hidden = false;
      button.addEventListener("click", () => {
        const shown = inUse(button.closest("[data-group]")), all = shown.every((box) => box.checked);
        for (const box of shown) box.checked = !all;
        show();
      });
    }
    picker.addEventListener("input", show);
    others?.addEventListener("input", show);
    show();
  }

  // --- The tabs: the theme makes them links without an address, which no keyboard reaches ---
  for (const tab of document.querySelectorAll("#content-main nav a:not([href])")) {
    Object.assign(tab, { tabIndex: 0, role: "button" });
    tab.addEventListener("keydown", (event) => ["Enter", " "].includes(event.key) && (event.preventDefault(), tab.click()));
  }

  // --- The menu ---
  const box = document.querySelector("[data-menu-tree]");
  if (!box) return;
  const text = box.querySelector("textarea"), names = box.querySelector("datalist");
  const maxDepth = Number(box.dataset.maxDepth), maxName = Number(box.dataset.maxName);
  const known = new Set([...names.options].map((option) => option.value));
  const list = make("ol", { className: "ro-tree" }), told = make("p", { className: "ro-sr", role: "status" });
  const keys = make("p", { className: "ro-soft", textContent: "名称须与客户端一致。键盘：回车在下面新增，Alt + 方向键上下移动、改变层级。" });
  const button = (label, run) => make("button", { type: "button", className: "ro-button", textContent: label, onclick: run });
  const toText = button("改为编辑文本", () => turn(false)), toTree = button("改为编辑树", () => turn(true));
  const undo = button("撤销", () => { menu = JSON.parse(past.pop()); write(); draw(); say("已撤销"); });
  const problem = make("p", { className: "ro-problem", role: "alert" });
  let menu = [], past = [];

  const isMenu = (value) => Array.isArray(value) && value.every((entry) =>
    entry !== null && typeof entry === "object" && typeof entry.name === "string" &&
    (entry.children === undefined || isMenu(entry.children)));
  const height = (entry) => 1 + Math.max(0, ...(entry.children ?? []).map(height));
  const say = (words) => { told.textContent = words; };
  const write = () => { text.value = JSON.stringify(menu, null, 2); };
  const change = (run, words, entry) => {
    past.push(JSON.stringify(menu));
    run();
    write();
    draw(entry);
    say(words);
  };
  const fault = (name) => !name.trim() ? "请填写名称" : name.length > maxName ? `最多 ${maxName} 个字` : "";

  // `above` are the entries from the top down to the parent of `entries`.
  function draw(focused) {
    list.replaceChildren(...level(menu, []));
    undo.disabled = !past.length;
    for (const input of list.querySelectorAll("input")) if (input.entry === focused) input.focus();
  }
  function level(entries, above) {
    return entries.map((entry, at) => {
      const parent = above.at(-1), depth = above.length + 1;
      const around = above.length > 1 ? above.at(-2).children : menu;
      const without = () => {
        entries.splice(at, 1);
        if (parent && !entries.length) delete parent.children;
      };
      const called = entry.name || "未命名";
      const acts = {
        up: at > 0 && (() => change(() => entries.splice(at - 1, 0, ...entries.splice(at, 1)), `${called} 已上移，第 ${at} 项`, entry)),
        down: at < entries.length - 1 && (() => change(() => entries.splice(at + 1, 0, ...entries.splice(at, 1)), `${called} 已下移，第 ${at + 2} 项`, entry)),
        out: parent && (() => change(() => { without(); around.splice(around.indexOf(parent) + 1, 0, entry); }, `${called} 已升到第 ${depth - 1} 层`, entry)),
        into: at > 0 && depth + height(entry) <= maxDepth && (() => change(() => {
          const before = entries[at - 1];
          entries.splice(at, 1);
          (before.children ??= []).push(entry);
        }, `${called} 已成为 ${entries[at - 1].name} 的子项`, entry)),
      };
      const add = (into, index) => { const fresh = { name: "" }; change(() => into().splice(index, 0, fresh), "已新增一项，请填写名称", fresh); };
      const hint = make("small", { className: "ro-hint" });
      const input = make("input", {
        className: "ro-input", value: entry.name, "aria-label": `第 ${depth} 层菜单名称`, autocomplete: "off",
        onkeydown: (event) => {
          const act = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "out", ArrowRight: "into" }[event.key];
          if (event.key === "Enter" && !event.isComposing) { event.preventDefault(); add(() => entries, at + 1); }
          else if (event.altKey && act) { event.preventDefault(); acts[act] && acts[act](); }
        },
        onfocus: () => { input.before = JSON.stringify(menu); },
        oninput: () => {
          if (input.before) past.push(input.before);  // one step back for all that is typed here
          input.before = "";
          undo.disabled = false;
          entry.name = input.value;
          write();
          judge();
        },
      });
      input.setAttribute("list", names.id);
      input.entry = entry;
      const judge = () => {
        const wrong = fault(entry.name);
        input.setAttribute("aria-invalid", Boolean(wrong));
        hint.textContent = wrong || (known.has(entry.name) ? "" : "其他角色没有用过这个名称，请确认客户端认识它");
        hint.classList.toggle("is-wrong", Boolean(wrong));
      };
      judge();
      const icon = (name, label, run) => make("button", {
        type: "button", className: "ro-icon", title: label, "aria-label": `${label}：${called}`, disabled: !run, onclick: run || null,
      }, make("span", { className: "material-symbols-outlined", "aria-hidden": "true", textContent: name }));
      const more = Object.keys(entry).filter((name) => name !== "name" && name !== "children");
      const row = make("div", { className: "ro-row" }, input, make("span", { className: "ro-acts" },
        icon("arrow_upward", "上移", acts.up), icon("arrow_downward", "下移", acts.down),
        icon("format_indent_decrease", "升一层", acts.out), icon("format_indent_increase", "降一层", acts.into),
        icon("add", "新增子项", depth < maxDepth && (() => add(() => (entry.children ??= []), entry.children?.length ?? 0))),
        icon("delete", "删除", () => change(without, `${called} 已删除，可以撤销`, entries[at + 1] ?? entries[at - 1] ?? parent))), hint);
      if (more.length) {
        row.append(button(`删除菜单不支持的字段：${more.join("、")}`, () => change(() => more.forEach((name) => delete entry[name]), "已删除", entry)));
      }
      const item = make("li", {}, row);
      if (entry.children?.length) item.append(make("ol", {}, ...level(entry.children, [...above, entry])));
      return item;
    });
  }

  function turn(isTree) {
    let read = null;
    if (isTree) {
      try { read = JSON.parse(text.value.trim() || "[]"); } catch { /* said below */ }
      problem.textContent = isMenu(read) ? "" : "文本不是菜单的格式，请先改正：[{\"name\": \"名称\", \"children\": [...]}]";
      if (problem.textContent) isTree = false;
      else { menu = read; past = []; draw(); }
    }
    text.hidden = isTree;
    for (const part of [list, keys, tools]) part.hidden = !isTree;
    toTree.hidden = isTree;
  }

  const tools = make("p", { className: "ro-bar" },
    button("新增菜单项", () => { const fresh = { name: "" }; change(() => menu.push(fresh), "已新增一项，请填写名称", fresh); }), undo, toText);
  text.before(list, tools, keys);
  text.after(make("p", { className: "ro-bar" }, toTree), problem, told);
  turn(true);
})();
