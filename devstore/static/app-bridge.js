// Stand-in for Shopify's App Bridge: tokens on fetch, navigation with fresh parameters, toasts, the app's menu.
"use strict";

(() => {
  const script = document.currentScript;
  const admin = new URL(script.src).origin;
  const isFramed = window.parent !== window;
  const query = new URLSearchParams(location.search);
  const apiKey = script.dataset.apiKey || document.querySelector('meta[name="shopify-api-key"]')?.content || "";
  // what Shopify adds to an address; none of it belongs into the address the merchant sees
  const LAUNCH = ["embedded", "hmac", "host", "id_token", "locale", "session", "shop", "timestamp"];
  const ANSWER_MILLISECONDS = 10000;

  const tell = (type, more = {}) => isFramed && window.parent.postMessage({ from: "app-bridge", type, ...more }, admin);

  // ask the admin and wait for its answer

  const asked = new Map();
  let nextId = 1;
  const launch = () =>
    new Promise((resolve, reject) => {
      if (!isFramed) {
        reject(new Error("This page is not inside the admin."));
        return;
      }
      const id = nextId++;
      const timer = setTimeout(() => {
        asked.delete(id);
        reject(new Error("The admin did not answer."));
      }, ANSWER_MILLISECONDS);
      asked.set(id, (parameters) => {
        clearTimeout(timer);
        asked.delete(id);
        if (parameters.id_token) resolve(parameters);
        else reject(new Error("The app is not installed."));
      });
      tell("launch", { id });
    });
  const picking = new Map();
  const idToken = async () => (await launch()).id_token;

  window.addEventListener("message", (event) => {
    if (event.origin !== admin || event.source !== window.parent || event.data?.from !== "admin") return;
    const { type, id, parameters, path } = event.data;
    if (type === "launch") asked.get(id)?.(parameters);
    if (type === "picked") picking.get(id)?.(event.data.chosen);
    if (type === "navigate" && typeof path === "string") open(path);
    if (type === "save") dirtyForm?.requestSubmit();
    if (type === "discard") discard();
  });

  // fetch: Bearer for the app's own origin, one retry with a new token, redirects out of the frame

  const plainFetch = window.fetch.bind(window);
  window.fetch = async (input, init) => {
    const request = new Request(input, init);
    if (!isFramed || new URL(request.url).origin !== location.origin || request.headers.has("Authorization")) {
      return plainFetch(request);
    }
    const send = async () => {
      const signed = new Request(request.clone());
      signed.headers.set("Authorization", `Bearer ${await idToken()}`);
      return plainFetch(signed);
    };
    let response = await send();
    if (response.status === 401 && response.headers.has("X-Shopify-Retry-Invalid-Session-Request")) {
      response = await send();
    }
    const elsewhere = response.headers.get("X-Shopify-API-Request-Failure-Reauthorize-Url");
    if (elsewhere) tell("top", { url: new URL(elsewhere, location.href).href });
    return response;
  };

  // navigation: every document gets a fresh id_token and what comes with it

  const isInside = (address) => {
    try {
      return new URL(address, location.href).origin === location.origin;
    } catch {
      return false;
    }
  };
  const open = async (address, replace = false) => {
    const target = new URL(address, location.href);
    if (target.origin !== location.origin) return;
    for (const [name, value] of Object.entries(await launch())) target.searchParams.set(name, value);
    if (replace) location.replace(target);
    else location.assign(target);
  };

  window.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.composedPath().find((node) => node.getAttribute?.("href"));
    if (!link || !isFramed || link.hasAttribute("download")) return;
    const href = link.getAttribute("href");
    const target = link.getAttribute("target") || "";
    if (href.startsWith("#") || href.startsWith("javascript:")) return;
    if (target === "_top" || target === "_parent" || href.startsWith("shopify:")) {
      event.preventDefault();
      tell("top", { url: href.startsWith("shopify:") ? href : new URL(href, location.href).href });
    } else if (!target && isInside(href)) {
      event.preventDefault();
      open(href);
    }
  });

  const plainOpen = window.open.bind(window);
  window.open = (address, target, features) => {
    if (isFramed && (target === "_top" || target === "_parent")) {
      tell("top", { url: String(address).startsWith("shopify:") ? address : new URL(address, location.href).href });
      return null;
    }
    return plainOpen(address, target, features);
  };

  // the token page: fetch a token, then load the page that was asked for

  const reload = query.get("shopify-reload");
  if (reload && isInside(reload) && !reload.startsWith("//")) open(reload, true);

  // what the admin shows around the frame: address, title, menu

  const tellWhere = () => {
    if (reload) return;
    const address = new URL(location.href);
    LAUNCH.forEach((name) => address.searchParams.delete(name));
    tell("where", { path: address.pathname + address.search + address.hash, title: document.title });
  };
  for (const name of ["pushState", "replaceState"]) {
    const plain = history[name].bind(history);
    history[name] = (...state) => {
      plain(...state);
      setTimeout(tellWhere);
    };
  }
  window.addEventListener("popstate", () => setTimeout(tellWhere));

  const tellMenu = () => {
    const links = document.querySelectorAll("s-app-nav s-link, s-app-nav a, ui-nav-menu a");
    const items = [...links]
      .filter((link) => isInside(link.getAttribute("href")))
      .map((link) => ({
        label: link.textContent.trim(),
        path: new URL(link.getAttribute("href"), location.href).pathname,
        isHome: link.getAttribute("rel") === "home",
      }));
    if (items.length) tell("menu", { items });
  };

  // the save bar of forms that ask for one

  let dirtyForm = null;
  const clean = () => {
    dirtyForm = null;
    tell("savebar", { isShown: false });
  };
  const discard = () => {
    dirtyForm?.reset();
    clean();
  };
  document.addEventListener("input", (event) => {
    const form = event.target.closest?.("form[data-save-bar]");
    if (!form || form === dirtyForm) return;
    dirtyForm = form;
    tell("savebar", { isShown: true });
  });
  document.addEventListener("submit", (event) => event.target === dirtyForm && clean());

  document.addEventListener("DOMContentLoaded", () => {
    tellWhere();
    tellMenu();
    if (!isFramed) return;
    document.documentElement.dataset.embedded = "";
    const hidden = document.createElement("style");
    hidden.textContent = "s-app-nav, ui-nav-menu { display: none !important; }";
    document.head.append(hidden);
  });

  let toasts = 0;
  window.shopify = {
    config: { apiKey, host: query.get("host") || "", shop: query.get("shop") || "", locale: query.get("locale") || "en" },
    environment: { embedded: isFramed, mobile: false, intent: false },
    ready: Promise.resolve(),
    idToken,
    loading: (isLoading = true) => tell("loading", { isLoading: Boolean(isLoading) }),
    toast: {
      show(message, options = {}) {
        const id = `toast-${++toasts}`;
        tell("toast", { id, message: String(message), isError: Boolean(options.isError), duration: options.duration });
        return id;
      },
      hide: (id) => tell("hidetoast", { id }),
    },
    resourcePicker: ({ type, selectionIds = [] }) =>
      new Promise((resolve) => {
        const id = nextId++;
        picking.set(id, (chosen) => {
          picking.delete(id);
          resolve(chosen ?? undefined);
        });
        tell("pick", { id, kind: type, selected: selectionIds.map((one) => one.id) });
      }),
    saveBar: {
      show: async () => tell("savebar", { isShown: true }),
      hide: async () => tell("savebar", { isShown: false }),
      leaveConfirmation: async () => undefined,
    },
  };
})();
