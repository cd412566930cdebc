// The admin around the app's frame: answers the App Bridge stand-in, and shows toasts, menu and save bar.
"use strict";

(() => {
  const frame = document.getElementById("app-frame");
  if (!frame) return;
  const { origin, handle } = frame.dataset;
  const toasts = document.getElementById("toasts");
  const menu = document.getElementById("app-menu");
  const bar = document.getElementById("save-bar");
  const away = document.getElementById("app-away");
  const AWAY_MILLISECONDS = 6000;
  const TOAST_MILLISECONDS = 5000;

  const tell = (message) => frame.contentWindow.postMessage({ from: "admin", ...message }, origin);
  const addressOf = (path) => `/store/${handle}?path=${encodeURIComponent(path)}`;

  // an app that is down cannot tell us so: its silence after loading does
  let timer;
  const heard = () => {
    clearTimeout(timer);
    away.hidden = true;
  };
  const open = (path) => {
    clearTimeout(timer);
    timer = setTimeout(() => (away.hidden = false), AWAY_MILLISECONDS);
    frame.src = `/store/${handle}/open?path=${encodeURIComponent(path)}`;
  };
  let here = frame.dataset.path;
  document.getElementById("retry").addEventListener("click", () => open(here));

  const markMenu = () => {
    for (const link of menu.querySelectorAll("a")) {
      if (link.dataset.path === here.split(/[?#]/)[0]) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  };

  const answers = {
    async launch({ id }) {
      let parameters = {};
      try {
        parameters = await (await fetch(`/store/${handle}/launch`)).json();
      } catch {
        // the stand-in store itself is away; the app's request fails with its own sentence
      }
      tell({ type: "launch", id, parameters });
    },
    where({ path, title }) {
      heard();
      here = String(path);
      document.title = `${title} · ${handle}`;
      history.replaceState(null, "", addressOf(here));
      markMenu();
    },
    menu({ items }) {
      const made = items.slice(0, 20).map(({ label, path, isHome }) => {
        const item = document.createElement("li");
        const link = document.createElement("a");
        link.textContent = label;
        link.dataset.path = path;
        link.href = addressOf(path);
        link.addEventListener("click", (event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          open(path);
        });
        item.append(link);
        item.hidden = isHome; // the app's own name in the menu above leads home
        return item;
      });
      menu.replaceChildren(...made);
      markMenu();
    },
    toast({ id, message, isError, duration }) {
      const shown = document.createElement("p");
      shown.id = id;
      shown.className = isError ? "toast error" : "toast";
      shown.textContent = message;
      toasts.append(shown);
      setTimeout(() => shown.remove(), Math.min(Number(duration) || TOAST_MILLISECONDS, 60000));
    },
    hidetoast({ id }) {
      [...toasts.children].find((shown) => shown.id === id)?.remove();
    },
    async pick({ id, kind, selected }) {
      const found = await (await fetch(`/store/${handle}/resources/${encodeURIComponent(kind)}`)).json();
      const dialog = document.createElement("dialog");
      const form = document.createElement("form");
      form.method = "dialog";
      for (const { id: gid, title } of found) {
        const label = document.createElement("label");
        const box = document.createElement("input");
        box.type = "checkbox";
        box.value = gid;
        box.checked = selected.includes(gid);
        label.append(box, ` ${title}`);
        const line = document.createElement("p");
        line.append(label);
        form.append(line);
      }
      for (const [value, text] of [["", "Cancel"], ["yes", "Choose"]]) {
        const button = document.createElement("button");
        button.value = value;
        button.textContent = text;
        form.append(button, " ");
      }
      dialog.append(form);
      document.body.append(dialog);
      dialog.addEventListener("close", () => {
        const chosen = [...form.querySelectorAll(":checked")].map((box) => ({ id: box.value }));
        tell({ type: "picked", id, chosen: dialog.returnValue === "yes" ? chosen : null });
        dialog.remove();
      });
      dialog.showModal();
    },
    savebar({ isShown }) {
      bar.hidden = !isShown;
    },
    loading({ isLoading }) {
      frame.setAttribute("aria-busy", String(isLoading));
    },
    top({ url }) {
      const inAdmin = /^shopify:(?:\/\/)?admin(\/.*)?$/.exec(url);
      if (inAdmin) location.assign(`/store/${handle}${inAdmin[1] || ""}`);
      else if (/^https?:/.test(url)) location.assign(url);
    },
  };

  window.addEventListener("message", (event) => {
    if (event.origin !== origin || event.source !== frame.contentWindow || event.data?.from !== "app-bridge") return;
    if (Object.hasOwn(answers, event.data.type)) answers[event.data.type](event.data);
  });
  for (const type of ["save", "discard"]) {
    document.getElementById(type).addEventListener("click", () => {
      tell({ type });
      bar.hidden = true;
    });
  }
  open(here); // only now, so that nothing the app says is missed
})();
