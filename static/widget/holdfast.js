/* Holdfast's storefront widget: <holdfast-widget proxy="/apps/holdfast" locale="en">, one custom element without
   dependencies. This file is what the page loads, deferred; once the page is loaded and idle it asks the app for the
   shopper's points and draws the launcher. What the launcher opens is in view.js, fetched when somebody reaches for it.
   It takes no room in the page and stays empty when the app is away, or where the merchant wants none.
   Attributes: proxy, locale, root (the shop's root; else taken from proxy), login (address to sign in), page (its kind:
   home, product, collection, cart or other; else taken from the address).
   Colours and shape: --holdfast-accent, -on-accent, -highlight, -surface, -text, -muted, -line, -radius, -font, -offset,
   unless the merchant chose them in admin. */
(() => {
  "use strict";
  if (customElements.get("holdfast-widget")) return;

  const SCRIPT = document.currentScript ? document.currentScript.src : location.href;
  const LANGUAGES = { de: "./locales/de.json", es: "./locales/es.json", fr: "./locales/fr.json" }; // English is built in
  const RIGHT_TO_LEFT = ["ar", "fa", "he", "ur"];
  const TIMEOUT = 8000, OLD = 30000; // milliseconds
  const CHECKOUT = /\/(checkouts?|orders|thank[-_]you)(\/|\?|$)/;

  // of locales/en.json, what the launcher says; the rest is in words.js, and a test keeps them equal
  const ENGLISH = {
    "launcher": "Rewards",
    "unit.one": "point",
    "unit.other": "points",
    "asOf": "As of {time}.",
    "error.unavailable": "That did not work just now. Your points are safe; please try again."
  };

  const whenIdle = (work) => {
    const idle = () => (window.requestIdleCallback ? requestIdleCallback(work, { timeout: 3000 }) : setTimeout(work, 300));
    if (document.readyState === "complete") idle();
    else addEventListener("load", idle, { once: true });
  };

  // a shopper sees nothing of what fails; a developer who asks for debug messages does
  const hush = (error) => console.debug("holdfast:", error);
  // what should never fail, and did: a script fetched only then tells the app
  const tell = ({ error, reason = error }) => reason?.stack?.includes(new URL(".", SCRIPT)) &&
    import(new URL("./errors.js", SCRIPT)).then((it) => it.tell(reason)).catch(hush);
  for (const kind of ["error", "unhandledrejection"]) addEventListener(kind, tell);

  // what is missing of an answer is missing in the panel, and takes nothing with it
  const NO_POINTS = { available: 0, pending: 0, held: 0, debt: 0, as_of: null, source: "unavailable" };
  const LISTS = ["rewards", "ways_to_earn", "campaigns", "tiers", "notices"], OBJECTS = ["tier", "referral", "birthday", "appearance", "texts"];
  const isObject = (it) => it && !Array.isArray(it) && typeof it === "object", isText = (it) => typeof it === "string";
  const shaped = (names, shape) => Object.fromEntries(names.map((name) => [name, shape(name)]));
  const listed = (me, instead) => (name) => (Array.isArray(me[name]) ? me[name].filter(name === "notices" ? isText : isObject) : instead);
  const whole = (me) => ({
    ...me, points: { ...NO_POINTS, ...me.points, ...shaped(["available", "pending", "held", "debt"], (name) => Number(me.points?.[name]) || 0) },
    ...shaped(LISTS, listed(me, [])), ...shaped(["codes", "redemptions", "coming", "ending"], listed(me, null)),
    ...shaped(OBJECTS, (name) => (isObject(me[name]) ? me[name] : null)), unknown: LISTS.filter((name) => me[name] === null),
  });

  const ICONS = {
    gift: "M4 11.500h16V20a1 1 0 01-1 1H5a1 1 0 01-1-1zM3 7.500h18v4H3zM12 7.500V21M12 7.500S11 3 8.200 3a2.200 2.200 0 000 4.500zM12 7.500S13 3 15.800 3a2.200 2.200 0 010 4.500z",
    star: "M12 3.500l2.600 5.400 5.900.800-4.300 4.100 1.100 5.900-5.300-2.900-5.300 2.900 1.100-5.900-4.300-4.100 5.900-.800z",
    heart: "M12 20S3.500 15 3.500 9A4.500 4.500 0 0112 7a4.500 4.500 0 018.500 2c0 6-8.500 11-8.500 11z",
    crown: "M4 18L3 7l5 4 4-6 4 6 5-4-1 11zM4 21h16",
  };
  const COLOUR = /^#[0-9a-f]{6}$/i, NUMBER = /^\d{1,3}$/;
  const PAGES = { "": "home", products: "product", collections: "collection", cart: "cart" };
  const STYLE = `
.launcher, .panel {
  --accent: var(--holdfast-accent, #1d1d26); --on-accent: var(--holdfast-on-accent, #fff);
  --highlight: var(--holdfast-highlight, #ffc24b); --surface: var(--holdfast-surface, #fff);
  --text: var(--holdfast-text, #1d1d26); --muted: var(--holdfast-muted, #5f6070); --line: var(--holdfast-line, #e6e6ec);
  --soft: color-mix(in srgb, var(--text) 5%, var(--surface)); --radius: var(--holdfast-radius, 16px);
  --offset: var(--holdfast-offset, 20px); --error: #b3261e; --good: #14663a; --on-highlight: #1d1d26;
  box-sizing: border-box; font: 400 15px/1.45 sans-serif; font-family: var(--holdfast-font, inherit); color: var(--text);
  letter-spacing: normal; word-spacing: normal; text-transform: none; text-align: start; text-shadow: none;
  text-indent: 0; white-space: normal; visibility: visible; -webkit-tap-highlight-color: transparent;
}
*, *::before, *::after { box-sizing: inherit; }
.launcher {
  position: fixed; inset-block-end: var(--offset); inset-inline-end: var(--offset); z-index: 2147483000;
  display: inline-flex; align-items: center; gap: 8px; min-height: 48px; padding: 0 18px 0 16px; border: 1px solid transparent;
  max-inline-size: calc(100vw - 2 * var(--offset)); border-radius: 999px; background: var(--accent); color: var(--on-accent);
  font-weight: 600; cursor: pointer; box-shadow: 0 1px 2px rgb(0 0 0 / .12), 0 8px 24px rgb(0 0 0 / .18); transition: transform .15s, box-shadow .15s;
}
.launcher:hover { transform: translateY(-1px); box-shadow: 0 2px 4px rgb(0 0 0 / .14), 0 12px 28px rgb(0 0 0 / .22); }
.launcher[aria-expanded=true] { visibility: hidden; }
.launcher .icon { color: var(--highlight); }
.launcher.bare { padding: 0 13px; }
.badge { min-inline-size: 3ch; font-variant-numeric: tabular-nums; padding-inline-start: 9px; border-inline-start: 1px solid color-mix(in srgb, currentColor 35%, transparent); }
.old::after { content: ""; position: absolute; inset-block-start: -2px; inset-inline-end: 8px; inline-size: 14px; block-size: 14px; border: 2px solid var(--surface); border-radius: 50%; background: var(--highlight); }
.icon { inline-size: 20px; block-size: 20px; flex: none; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
:focus-visible { outline: 3px solid color-mix(in srgb, var(--accent) 70%, #6aa5ff); outline-offset: 2px; }
.say { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (prefers-reduced-motion: reduce) { .launcher { transition: none; } }
@media print { .launcher { display: none; } }
`;

  /** An element; `on…` are listeners, false and null attributes and children are left out, strings become text. */
  function h(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat(2).filter((child) => child != null && child !== false));
    return element;
  }

  function icon(d) {
    const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
    for (const [name, value] of [["viewBox", "0 0 24 24"], ["aria-hidden", "true"], ["class", "icon"]]) svg.setAttribute(name, value);
    path.setAttribute("d", d);
    svg.append(path);
    return svg;
  }

  // not a style element: a shop's content policy may forbid those
  function dress(shadow, style = "") {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    shadow.adoptedStyleSheets = [...shadow.adoptedStyleSheets, sheet];
    return sheet;
  }

  class HoldfastWidget extends HTMLElement {
    connectedCallback() {
      this.seen = () => !document.hidden && this.shadow && (this.isOpen || Date.now() - this.loadedAt > OLD) && (this.view ? this.view.refresh() : this.load().then(() => this.render()));
      document.addEventListener("visibilitychange", this.seen);
      if (this.shadow || this.isStarting) return;
      this.isStarting = true;
      whenIdle(() => this.start().catch((error) => tell({ error })));
    }

    disconnectedCallback() {
      document.removeEventListener("visibilitychange", this.seen);
      clearTimeout(this.timer);
    }

    async start() {
      this.proxy = (this.getAttribute("proxy") || "/apps/holdfast").replace(/\/+$/, "");
      this.root = (this.getAttribute("root") ?? this.proxy.replace(/\/[^/]+\/[^/]+$/, "")).replace(/\/+$/, "");
      this.turn = this.misses = 0;
      const speaking = this.speak();
      const [isLoaded] = await Promise.all([this.load(), speaking]);
      this.isStarting = false;
      if (!isLoaded || !this.isConnected || this.me.appearance?.hidden?.includes(this.page)) return;
      this.shadow = this.attachShadow({ mode: "open" });
      dress(this.shadow, STYLE);
      this.shadow.append(this.makeLauncher());
      this.render();
      if (CHECKOUT.test(document.referrer)) import(new URL("./after.js", SCRIPT)).then((it) => it.follow(this)).catch(hush);
    }

    /** The kind of page it stands in, as merchants tell them apart. */
    get page() {
      const [, first] = location.pathname.slice(this.root.length).split("/");
      return this.getAttribute("page") || (PAGES[first || ""] ?? "other");
    }

    get isSignedIn() { return this.me.customer_id != null; }

    get isKnown() {
      return this.isSignedIn && this.me.points.source !== "unavailable";
    }

    /** Whether the figures may be old: the app says so, or does not answer. */
    get isOld() {
      return this.isSignedIn && (this.isBehind || this.me.points.source !== "live");
    }

    get isOpen() { return Boolean(this.view && this.view.isOpen); }

    // -- what stands in the page

    makeLauncher() {
      return (this.launcher = h("button", {
        class: "launcher", part: "launcher", type: "button", lang: this.language, "aria-haspopup": "dialog", "aria-expanded": "false",
        onclick: () => this.open(), onpointerenter: () => this.prepare(), onfocus: () => this.prepare(),
      }));
    }

    /** Colours, shape and place as the merchant chose them. */
    wear({ colours, radius, offset, corner } = {}) {
      const found = Object.entries(colours || {}).filter(([, value]) => COLOUR.test(value)).map(([name, value]) => `--${name.replace(/[^a-z]/g, "-")}: ${value};`);
      for (const [name, value] of Object.entries({ radius, offset })) if (NUMBER.test(value)) found.push(`--${name}: ${value}px;`);
      const side = corner === "start" ? ".launcher { inset-inline: var(--offset) auto; } @media (min-width: 481px) { .panel.panel { inset-inline: var(--offset) auto; } }" : "";
      const style = `.launcher, .panel { ${found.join(" ")} } ${side}`;
      if (style === this.worn) return;
      this.worn = style;
      (this.clothes ??= dress(this.shadow)).replaceSync(style);
    }

    /** Draw what is known now; the focus stays, or goes to the part of the panel named `focus`. */
    render(focus = null) {
      const { points: { available, as_of: asOf }, appearance } = this.me;
      this.wear(appearance || {});
      const isBare = appearance?.launcher === "icon" && !this.isMissing;
      const text = [h("span", { class: isBare && "say" }, this.t(this.isMissing ? "error.unavailable" : "launcher"))];
      // what is seen comes first in what is read out: "Rewards 240 points"
      if (this.isKnown) text.push(" ", h("span", { class: "badge" }, this.number.format(available)), " ", h("span", { class: "say" }, this.count("unit", available)));
      if (this.isKnown && this.isOld && asOf) text.push(" ", h("span", { class: "say" }, this.t("asOf", { time: this.time(asOf) })));
      // one that grows by itself under the shopper's eyes is a new one: the old one would be seen to move
      if (!this.isOpen && this.shadow.activeElement !== this.launcher) this.launcher.replaceWith(this.makeLauncher());
      this.launcher.classList.toggle("old", this.isKnown && this.isOld);
      this.launcher.classList.toggle("bare", isBare && !this.isKnown);
      this.launcher.replaceChildren(icon(ICONS[appearance?.icon] || ICONS.gift), ...text);
      if (this.view) this.view.render(focus);
    }

    /** The panel's own script, once; after a failure it is fetched anew. */
    prepare() {
      const address = new URL(new URL("./view.js", SCRIPT));
      if (this.misses) address.searchParams.set("again", this.misses);
      this.drawing ??= import(address).catch((error) => { hush(error); this.misses++; this.drawing = null; });
      return this.drawing;
    }

    async open() {
      const drawing = await this.prepare();
      this.isMissing = !drawing;
      if (drawing) this.view ??= new drawing.View(this, { h, icon, dress, hush, TIMEOUT });
      this.render();
      if (drawing && !this.isOpen) this.view.open();
    }

    // -- language

    async speak() {
      let locale = this.getAttribute("locale") || document.documentElement.lang || "en";
      try { locale = Intl.getCanonicalLocales(locale)[0]; } catch { locale = "en"; }
      const language = locale.split("-")[0];
      this.spoken = Object.hasOwn(LANGUAGES, language) ? language : "en";
      this.messages = ENGLISH;
      if (Object.hasOwn(LANGUAGES, language)) {
        try {
          const answer = await fetch(new URL(LANGUAGES[language], SCRIPT), { signal: AbortSignal.timeout(TIMEOUT) });
          if (answer.ok) this.messages = { ...ENGLISH, ...(await answer.json()) };
        } catch (error) { hush(error); } // English stays
      }
      this.language = this.messages === ENGLISH ? "en" : language; // of the words, which may not be the page's
      this.direction = RIGHT_TO_LEFT.includes(this.language) ? "rtl" : "ltr";
      // of figures and dates: the page's, and where that names no country, the shopper's own of that language
      const own = (navigator.languages || []).find((one) => one.split("-")[0] === language);
      this.locale = this.language !== language ? "en" : locale === language && own ? own : locale;
      this.plural = new Intl.PluralRules(this.locale);
      this.number = new Intl.NumberFormat(this.locale);
    }

    /** The merchant's own words before ours. */
    message(key) {
      const own = this.me.texts?.[key];
      return typeof own === "string" && own ? own : this.messages[key] ?? key;
    }

    t(key, values = {}) {
      return this.message(key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
    }

    count(key, count, values = {}) {
      const form = `${key}.${this.plural.select(count)}`;
      return this.t(form in this.messages ? form : `${key}.other`, { count: this.number.format(count), ...values });
    }

    points(count) {
      return this.count("points", count);
    }

    time(iso) {
      const moment = new Date(iso);
      const isToday = moment.toDateString() === new Date().toDateString();
      return moment.toLocaleString(this.locale, { ...(isToday ? {} : { day: "numeric", month: "short" }), hour: "numeric", minute: "2-digit" });
    }

    // -- talking to the app

    async ask(path, options = {}) {
      const headers = { Accept: "application/json", ...(options.body ? { "Content-Type": "application/json" } : {}) };
      const answer = await fetch(this.proxy + path, { cache: "no-store", headers, signal: AbortSignal.timeout(TIMEOUT), ...options });
      return { status: answer.status, body: await answer.json() };
    }

    async load() {
      const turn = ++this.turn;
      let me = null;
      try {
        const { status, body } = await this.ask(`/me?lang=${this.spoken}`);
        if (status === 200 && body && (body.points || Array.isArray(body.rewards))) me = whole(body);
      } catch (error) { hush(error); } // away: the last known stays, marked
      if (turn !== this.turn) return false; // something newer is known by now
      this.loadedAt = Date.now();
      this.isBehind = !me;
      if (me) this.me = me;
      return Boolean(me);
    }

    /** Codes that are not used, those being made first. */
    codes() {
      const all = this.me.codes ?? (this.me.redemptions || []).filter((one) => one.state === "held" || one.state === "captured");
      const isMade = (one) => Boolean(one.code) || one.state !== "held";
      return [...all.filter((one) => !isMade(one)), ...all.filter(isMade)];
    }
  }

  customElements.define("holdfast-widget", HoldfastWidget);
})();
