// What every page of the back office needs so that nothing typed is lost and the keyboard gets everywhere.
(() => {
  // A page that answers a form becomes an ordinary one in the history: Back and reload never ask to send it again.
  history.replaceState(history.state, "", location.href);

  const make = (tag, facts, ...children) => {
    const made = Object.assign(document.createElement(tag), facts);
    made.append(...children);
    return made;
  };

  // --- Drafts: kept in this tab, offered again only after the login page stood between ---
  const DRAFT = "draft:", MAX_DRAFT = 200_000;
  const drafts = () => Object.keys(sessionStorage).filter((key) => key.startsWith(DRAFT));
  const read = (key) => { try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; } };
  const forget = () => drafts().forEach((key) => sessionStorage.removeItem(key));

  function login(form) {
    const kept = drafts().map((key) => [key, read(key)]).filter(([, draft]) => draft);
    for (const [key, draft] of kept) sessionStorage.setItem(key, JSON.stringify({ ...draft, wasOut: true }));
    if (kept.length) form.before(make("p", { className: "bo-draft", textContent: "没有保存的内容还在，登录之后会恢复到原来的页面。" }));
  }

  // A form is another one where it is about other rows: their keys are in its hidden fields.
  function keyOf(form) {
    if (form.matches(".warn-unsaved-form")) return DRAFT + location.pathname;
    const about = [...form.elements].filter((field) => field.name && field.name !== "csrfmiddlewaretoken" && field.type !== "submit");
    return DRAFT + location.pathname + about.map((field) => `&${field.name}=${field.type === "hidden" ? field.value : ""}`).join("");
  }

  function guard(form, key, owner) {
    const fields = () => [...form.elements].filter((field) => field.name && !["csrfmiddlewaretoken", "_save"].includes(field.name)
      && !["password", "file", "submit", "button"].includes(field.type) && (field.type !== "hidden" || field.name === "seen"));
    const values = () => fields().map((field) => [field.name, field.multiple ? [...field.selectedOptions].map((one) => one.value)
      : ["checkbox", "radio"].includes(field.type) ? [field.value, field.checked] : field.value]);
    const keep = () => {
      const text = JSON.stringify({ owner, values: values(), ...whereabouts(form) });
      if (text.length < MAX_DRAFT) try { sessionStorage.setItem(key, text); } catch { /* full: then there is no draft */ }
    };
    const put = (draft) => {
      const left = new Map();
      for (const [name, value] of draft) left.set(name, [...(left.get(name) ?? []), value]);
      for (const field of fields()) {
        const value = left.get(field.name)?.shift();
        if (value === undefined) continue;
        if (field.multiple) for (const option of field.options) option.selected = value.includes(option.value);
        else if (["checkbox", "radio"].includes(field.type)) field.checked = value[1];
        else field.value = value;
        field.dispatchEvent(new Event("input", { bubbles: true }));
        field.dispatchEvent(new Event("change", { bubbles: true }));
      }
    };
    const draft = read(key), before = JSON.stringify(values());
    if (draft?.wasOut && draft.owner === owner && JSON.stringify(draft.values) !== before) {
      put(draft.values);
      const drop = make("button", { type: "button", textContent: "丢弃这些内容", onclick: () => {
        sessionStorage.removeItem(key);
        put(JSON.parse(before));
        note.remove();
      } });
      const note = make("p", { className: "bo-draft" }, "已恢复上次没有保存的内容；图片和文件要重新选择。", drop);
      note.setAttribute("role", "status");
      form.prepend(note);
    }
    sessionStorage.removeItem(key);
    // After a moment: scripts of the page fill fields as well, and the user did not type that.
    let timer;
    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(keep, 200); });
    form.addEventListener("submit", keep);
  }

  // --- Numbers typed in the cells of a list: leaving without 保存 asks ---
  function guardList(form) {
    const isTyped = () => [...form.elements].some((field) => /^form-\d+-/.test(field.name) && field.type !== "hidden" && field.value !== field.defaultValue);
    let isSent = false;
    form.addEventListener("submit", () => { isSent = true; });
    addEventListener("beforeunload", (event) => { if (!isSent && isTyped()) event.preventDefault(); });
  }

  // How to come back to the form: a button's page has no address of its own, it answers the fields that are hidden in it.
  function whereabouts(form) {
    const hidden = [...form.querySelectorAll("input[type=hidden]")].filter(({ name }) => !["csrfmiddlewaretoken", "seen", "sure"].includes(name));
    const isAnswer = form.querySelector("input[name=sure]");
    return { address: location.pathname + location.search, title: document.title.replace(/^\(\d+\) /, ""), again: isAnswer ? hidden.map(({ name, value }) => [name, value]) : null };
  }

  // After the login one is seldom where one was: the next page says so, and leads there.
  function remind(key, { address, title, again }) {
    const fields = [...(again ?? []), ["csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]")?.value]];
    const back = make("form", { method: "post", action: address, className: "bo-draft" },
      `登录之前没有保存的内容还在：${title.split("|")[0].trim()}。`,
      ...fields.map(([name, value]) => make("input", { type: "hidden", name, value })),
      make("button", { type: again ? "submit" : "button", textContent: "回去接着填", onclick: () => again || location.assign(address) }),
      make("button", { type: "button", textContent: "丢弃", onclick: () => { sessionStorage.removeItem(key); back.remove(); } }));
    back.setAttribute("role", "status");
    document.querySelector("#content")?.prepend(back);
  }

  // --- How much room is left, before the browser cuts what is typed ---
  function count(field) {
    const note = make("small", { className: "bo-counter", hidden: true });
    note.setAttribute("aria-live", "polite");
    const show = () => {
      const used = field.value.length, most = field.maxLength;
      note.hidden = used < most * 0.8;
      note.textContent = used < most ? `${used} / ${most} 字` : `已到上限 ${most} 字`;
      note.classList.toggle("is-full", used >= most);
    };
    field.after(note);
    field.addEventListener("input", show);
    show();
  }

  // --- Keyboard and screen readers ---
  function reach() {
    // The content of a list is its rows; the search above them has a key of its own: "/".
    const content = document.querySelector("#changelist-form") ?? document.querySelector("#content");
    if (content) {
      content.tabIndex = -1;
      document.body.prepend(make("a", { className: "bo-skip", href: `#${content.id}`, textContent: "跳到内容" }));
    }
    // Each column has a link that sorts by it; the two icons beside the sorted one are for the mouse.
    for (const icon of document.querySelectorAll("#result_list thead :is(.toggle, .sortremove)")) icon.tabIndex = -1;
    // In a form one begins to type. Not on a phone, where the keyboard would cover it.
    const first = document.querySelector("#main .warn-unsaved-form :is(.errors, .form-rows) :is(input, select, textarea):not([type=hidden], [disabled])");
    if (first && !document.querySelector("#main [name=seen]") && !location.hash && matchMedia("(min-width: 1024px)").matches) first.focus();
    document.querySelector("#main")?.setAttribute("role", "main");  // the theme has no landmark to jump to
    addEventListener("load", () => {
      for (const box of document.querySelectorAll("[aria-label='scrollable content']")) box.setAttribute("aria-label", "可以滚动的部分");
    });
    // The theme's icons are words in a font; read aloud they would be "add" and "upload_file".
    // One that is the only name of its link or button stays.
    for (const icon of document.querySelectorAll(".material-symbols-outlined")) {
      const holder = icon.closest("a, button");
      const text = [...(holder?.querySelectorAll(".material-symbols-outlined") ?? [])].reduce((left, one) => left.replace(one.textContent, ""), holder?.textContent ?? "");
      if (!holder || text.trim() || holder.matches("[aria-label], [title]")) icon.setAttribute("aria-hidden", "true");
    }
    // Links of the theme that only run a script have no address, so the keyboard passes over them.
    for (const opener of document.querySelectorAll("a:not([href])")) {
      if (!opener.hasAttribute("x-on:click")) continue;
      opener.tabIndex = 0;
      opener.setAttribute("role", "button");
      opener.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        opener.click();
      });
      const panel = document.querySelector("#changelist-filter");
      if (panel && opener.getAttribute("x-on:click").includes("filterOpen")) {
        opener.setAttribute("aria-controls", panel.id);
        opener.addEventListener("click", () => setTimeout(() => panel.querySelector("input, select, a, button")?.focus(), 60));
        panel.addEventListener("keydown", (event) => event.key === "Escape" && setTimeout(() => opener.focus(), 60));
      }
    }
  }

  // --- The groups of the side bar stay as this browser's user left them; that of the page is open ---
  function fold() {
    for (const group of document.querySelectorAll(".bo-group[data-fold]")) {
      const key = `fold:${group.dataset.fold}`;
      group.open = !localStorage.getItem(key);
      group.addEventListener("toggle", () => group.open ? localStorage.removeItem(key) : localStorage.setItem(key, 1));
    }
  }

  // --- What waits for this user: a bell in the header, and a number before the tab's title ---
  const BELL_EVERY_MS = 60_000;
  function ring(bell) {
    const title = document.title, offer = offerNotices();
    let seen = null;
    const look = async () => {
      if (document.hidden && !wantsNotices()) return;
      const answer = await fetch(bell.dataset.bell, { headers: { Accept: "application/json" } }).catch(() => null);
      if (!answer?.ok || answer.redirected) return;
      const { rows } = await answer.json();
      const total = rows.reduce((sum, row) => sum + row.number, 0);
      bell.hidden = !total && !offer;
      bell.querySelector("b").textContent = total > 99 ? "99+" : total || "";
      bell.querySelector("summary").setAttribute("aria-label", `等我处理：${total}`);
      bell.querySelector("ul").replaceChildren(...rows.map(({ label, number, link }) =>
        make("li", {}, make("a", { href: link }, `${label} `, make("b", { textContent: number })))), ...(offer ? [offer] : []));
      document.title = total ? `(${total}) ${title}` : title;
      const news = seen && document.hidden ? rows.filter((row) => row.number > (seen.get(row.label) ?? 0)) : [];
      for (const { label, number, link } of news) notify(`${label}：${number}`, link);
      seen = new Map(rows.map((row) => [row.label, row.number]));
    };
    look();
    setInterval(look, BELL_EVERY_MS);
    document.addEventListener("visibilitychange", look);
  }

  // --- If the user has asked for it, the browser tells what is new while the tab is hidden ---
  const NOTICES = "notices", OFFER = "有新的时，浏览器通知我";
  const wantsNotices = () => localStorage.getItem(NOTICES) && window.Notification?.permission === "granted";

  function notify(text, link) {
    try {
      const notice = new Notification(text, { tag: link });  // that of another tab with the same tag is replaced
      notice.onclick = () => { notice.close(); open(link); };
      return true;
    } catch {
      return false;  // Chrome on Android knows only those of a service worker
    }
  }

  function offerNotices() {
    if (!window.Notification) return null;
    const box = make("input", { type: "checkbox", checked: Boolean(wantsNotices()) });
    const text = make("span", { textContent: OFFER });
    box.addEventListener("change", async () => {
      localStorage.removeItem(NOTICES);
      if (!box.checked) return;
      text.textContent = OFFER;
      const isGranted = await Notification.requestPermission() === "granted";
      box.checked = isGranted && notify("有新的事等您处理时，会这样通知", "/admin/");
      if (box.checked) localStorage.setItem(NOTICES, 1);
      else text.textContent = "浏览器不允许通知，请在浏览器的网站设置里打开";
    });
    return make("li", {}, make("label", {}, box, text));
  }

  // --- What unfolds over the page closes at a click beside it, and at Escape ---
  function unfold() {
    const close = (event) => {
      if (event.type === "keydown" && event.key !== "Escape") return;
      for (const part of document.querySelectorAll(":is(.bo-bell, .bo-fold)[open]")) {
        if (event.type === "click" && part.contains(event.target)) continue;
        if (part.contains(document.activeElement)) part.querySelector("summary").focus();
        part.open = false;
      }
    };
    document.addEventListener("click", close);
    document.addEventListener("keydown", close);
  }

  // --- The theme writes a chosen file's name into the first text field near it. That is right for its own widget, whose
  // text field is disabled; elsewhere it would be the name of a class. Its own mark keeps its listener away ---
  function keepFileNamesOut() {
    for (const input of document.querySelectorAll("input[type=file]"))
      input.hasChangeListener = !input.parentNode.parentNode.parentNode.querySelector("input[type=text]")?.disabled;
  }

  function start() {
    keepFileNamesOut();
    fold();
    unfold();
    document.querySelector(".bo-tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });  // of many classes
    const bell = document.querySelector("[data-bell]");
    if (bell) ring(bell);
    reach();
    const loginForm = document.querySelector("#login-form");
    if (loginForm) return login(loginForm);
    if (!document.querySelector("#main")) return;  // the question for a password or a code: the form waits behind it
    const list = document.querySelector("#changelist-form:has([name=form-TOTAL_FORMS])");
    if (list) guardList(list);
    const owner = document.querySelector("[data-draft-of]")?.dataset.draftOf ?? "";
    const forms = new Map([...document.querySelectorAll("#main form[method=post]:not(#changelist-form)")]
      .filter((form) => form.matches(".warn-unsaved-form") || form.querySelector("textarea, input:is([type=text], :not([type]))"))
      .map((form) => [keyOf(form), form]));
    for (const key of drafts().filter((one) => !forms.has(one))) {
      const draft = read(key);
      if (draft?.wasOut && draft.owner === owner && draft.address) remind(key, draft);
      else sessionStorage.removeItem(key);
    }
    for (const [key, form] of forms) {
      guard(form, key, owner);
      // A shorter one is a number, such as an identity card, which has its full length where it is right.
      for (const field of form.querySelectorAll("input[maxlength], textarea[maxlength]")) if (field.maxLength > 20) count(field);
    }
    for (const leave of document.querySelectorAll("form[action$='/logout/']")) leave.addEventListener("submit", forget);
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
