/* What the widget draws: a launcher fixed to a corner of the window, and the dialog it opens, made when first opened.
   Everything that comes from the app or the merchant goes in as text, never as markup. */

import { STYLE } from "./style.js";

const CODES_SHOWN = 3;

const GIFT = ["M4 11.500h16V20a1 1 0 01-1 1H5a1 1 0 01-1-1z", "M3 7.500h18v4H3z", "M12 7.500V21", "M12 7.500S11 3 8.200 3a2.200 2.200 0 000 4.500zM12 7.500S13 3 15.800 3a2.200 2.200 0 010 4.500z"];
const CLOSE = ["M6 6l12 12", "M18 6L6 18"];
const CLOCK = ["M12 3a9 9 0 100 18 9 9 0 000-18z", "M12 7v5l3 2"];
const TICK = ["M5 12.500l4.500 4.500L19 7.500"];

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

function icon(paths) {
  const make = (tag, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const lines = paths.map((d) => make("path", { d }));
  return make("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: "icon" }, ...lines);
}

function track(share, kind = "") {
  const bar = h("i");
  bar.style.inlineSize = `${Math.round(Math.min(Math.max(share, 0), 1) * 100)}%`;
  return h("span", { class: `track ${kind}`, "aria-hidden": "true" }, bar); // the figure beside it says the same
}

export class View {
  constructor(widget) {
    this.widget = widget;
    this.shadow = widget.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet(); // not a style element: a shop's content policy may forbid those
    sheet.replaceSync(STYLE);
    this.shadow.adoptedStyleSheets = [sheet];
    this.launcher = h("button", {
      class: "launcher", part: "launcher", type: "button", lang: widget.language, "aria-haspopup": "dialog", "aria-expanded": "false",
      onclick: () => this.open(),
    });
    this.shadow.append(this.launcher);
    this.render();
  }

  get isOpen() {
    return Boolean(this.panel && this.panel.open);
  }

  get isSignedIn() {
    return this.widget.me.customer_id != null;
  }

  open() {
    if (!this.panel) this.makePanel();
    this.widget.asking = this.widget.problem = null;
    this.render();
    this.panel.showModal();
    this.launcher.setAttribute("aria-expanded", "true");
    this.widget.refresh();
  }

  makePanel() {
    const { language, direction } = this.widget;
    this.content = h("div", { class: "content", lang: language, dir: direction });
    this.status = h("p", { class: "say", role: "status", "aria-live": "polite" });
    this.panel = h("dialog", {
      class: "panel", part: "panel", "aria-labelledby": "title",
      onclick: (event) => event.target === this.panel && this.panel.close(), // the backdrop
      onclose: () => this.closed(),
      onkeydown: (event) => this.keepFocus(event),
    }, this.content, this.status);
    this.shadow.append(this.panel);
  }

  closed() {
    this.launcher.setAttribute("aria-expanded", "false");
    this.launcher.focus();
    this.widget.plan(); // stops the questions
  }

  /** Tab goes round inside the dialog; the page behind it is inert. */
  keepFocus(event) {
    if (event.key !== "Tab") return;
    const stops = [...this.panel.querySelectorAll("a[href], button, [tabindex='0']")];
    const edge = event.shiftKey ? stops[0] : stops.at(-1);
    if (this.shadow.activeElement !== edge) return;
    event.preventDefault();
    (event.shiftKey ? stops.at(-1) : stops[0]).focus();
  }

  /** Tell a screen reader; the same words twice are told twice. */
  say(text) {
    if (!this.status) return;
    this.status.textContent = "";
    setTimeout(() => { this.status.textContent = text; }, 50);
  }

  /** Draw what is known now. The focus stays where it was, or goes to the part named `focus`. */
  render(focus = null) {
    const { widget } = this;
    const { points } = widget.me;
    const isKnown = this.isSignedIn && points.source !== "unavailable";
    const label = isKnown ? widget.t("launcher", { points: widget.points(points.available) }) : widget.t("rewards");
    this.launcher.setAttribute("aria-label", label);
    const badge = isKnown && h("span", { class: "badge" }, widget.number.format(points.available));
    this.launcher.replaceChildren(icon(GIFT), h("span", {}, widget.t("rewards")), badge || "");
    if (!this.panel) return;
    const had = this.shadow.activeElement && this.shadow.activeElement.dataset.key;
    const scrolled = this.content.querySelector(".body")?.scrollTop || 0;
    this.content.replaceChildren(this.head(isKnown), this.behind(isKnown) || "", this.body(isKnown));
    this.content.querySelector(".body").scrollTop = scrolled;
    if (!this.isOpen) return;
    const find = (key) => key && [...this.content.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    (find(focus) || find(had) || find("close")).focus({ preventScroll: !focus });
  }

  head(isKnown) {
    const { widget } = this;
    const close = h("button", {
      class: "close", type: "button", "data-key": "close", "aria-label": widget.t("close"), onclick: () => this.panel.close(),
    }, icon(CLOSE));
    const title = h("h2", { id: "title" }, widget.t(isKnown ? "balance" : "rewards"));
    return h("header", { class: "head" }, h("div", { class: "top" }, title, close), isKnown ? this.figures() : this.welcome());
  }

  figures() {
    const { widget } = this;
    const { available, pending, held } = widget.me.points;
    const total = h("p", { class: "total" }, h("strong", {}, widget.number.format(available)), " ", widget.count("unit", available));
    const side = [["pending", pending], ["held", held]].filter(([, figure]) => figure > 0);
    return [total, side.map(([key, figure]) => h("p", { class: "side" }, widget.t(key, { points: widget.points(figure) }))), this.next(available)];
  }

  /** How far it is to the next reward. */
  next(available) {
    const { widget } = this;
    const rewards = [...widget.me.rewards].sort((one, other) => one.cost - other.cost);
    const goal = rewards.find((one) => one.cost > available);
    if (!goal && !rewards.length) return null;
    const text = goal
      ? widget.t("next", { points: widget.points(goal.cost - available), reward: widget.reward(goal.title) })
      : widget.t("enough", { reward: widget.reward(rewards.at(-1).title) });
    return h("p", { class: "next" }, text, track(goal ? available / goal.cost : 1));
  }

  welcome() {
    const { widget } = this;
    if (this.isSignedIn) return null; // a balance nobody knows at the moment; the strip below says so
    const login = widget.getAttribute("login") || `${widget.root}/account/login`;
    return [h("p", { class: "welcome" }, widget.t("welcome")), h("a", {
      class: "link", href: login, "data-key": "login", onclick: () => this.panel.close(), // signing in may be on this page
    }, widget.t("signIn"))];
  }

  /** The same words as in admin when a figure may be old; other notices of the app as they come. */
  behind(isKnown) {
    const { widget } = this;
    const { points, notices } = widget.me;
    const isOld = this.isSignedIn && (widget.isBehind || points.source !== "live");
    const as = isOld && isKnown && points.as_of ? ` ${widget.t("asOf", { time: widget.time(points.as_of) })}` : "";
    const text = isOld ? widget.t("behind") + as : notices.join(" ");
    return text ? h("p", { class: "behind" }, icon(CLOCK), h("span", {}, text)) : null;
  }

  body(isKnown) {
    const { widget } = this;
    const section = (key, items) => items.length ? h("section", {}, h("h3", {}, widget.t(key)), h("ul", {}, items)) : null;
    const mine = [...widget.held(), ...widget.codes()].slice(0, CODES_SHOWN).map((one) => this.code(one));
    const rewards = widget.me.rewards.map((one) => this.reward(one, isKnown));
    const earn = widget.me.ways_to_earn.map((one) => this.earn(one)).filter(Boolean);
    const offers = section(isKnown ? "redeemList" : "rewardList", rewards) || h("p", {}, widget.t("noRewards"));
    return h("div", { class: "body", tabindex: "0", role: "group", "aria-labelledby": "title" }, section("codes", mine), offers, section("earnList", earn));
  }

  what(title, ...under) {
    return h("div", { class: "what" }, h("b", {}, h("bdi", {}, title)), under.map((text) => h("small", {}, text)));
  }

  reward(reward, isKnown) {
    const { widget } = this;
    const missing = reward.cost - widget.me.points.available;
    const isAsking = widget.asking === reward.id;
    const aside = !isKnown || isAsking ? null : missing > 0
      ? h("div", {}, h("small", {}, widget.t("toGo", { points: widget.points(missing) })), track(1 - missing / reward.cost, "small"))
      : h("button", {
        class: "main", type: "button", "data-key": `redeem:${reward.id}`, "aria-label": widget.t("redeemOne", { reward: widget.reward(reward.title) }),
        "aria-disabled": widget.busy ? "true" : null, onclick: () => this.choose(reward.id),
      }, widget.t("redeem"));
    return h("li", {}, this.what(widget.reward(reward.title), widget.points(reward.cost)), aside, isAsking && this.confirm(reward));
  }

  choose(id) {
    if (this.widget.busy) return;
    this.widget.asking = id;
    this.widget.problem = null;
    this.render(id === null ? null : "confirm");
  }

  confirm(reward) {
    const { widget } = this;
    const isBusy = widget.busy === reward.id;
    const problem = widget.problem && widget.problem.id === reward.id ? widget.problem.text : "";
    const cancel = () => { this.choose(null); this.render(`redeem:${reward.id}`); };
    return h("div", { class: "ask", role: "group", "aria-labelledby": "ask" },
      h("p", { id: "ask" }, widget.t("ask", { points: widget.points(reward.cost), reward: widget.reward(reward.title) })),
      problem && h("p", { class: "problem", role: "alert" }, problem),
      h("div", { class: "row" },
        h("button", {
          class: "main", type: "button", "data-key": "confirm", "aria-describedby": "ask", "aria-disabled": isBusy ? "true" : null,
          onclick: () => widget.redeem(reward),
        }, widget.t(isBusy ? "busy" : problem ? "retry" : "confirm")),
        !isBusy && h("button", { class: "plain", type: "button", "data-key": "cancel", onclick: cancel }, widget.t("cancel"))));
  }

  code({ id, code, title: given }) {
    const { widget } = this;
    const title = widget.reward(given);
    const key = `code:${id}`;
    if (!code) return h("li", { class: "coupon", tabindex: "-1", "data-key": key }, icon(CLOCK), this.what(title, widget.t("preparing")));
    const field = h("code", { class: "code", dir: "ltr", tabindex: "-1", "data-key": key }, code);
    const state = widget.applied.get(code);
    const copy = h("button", {
      class: "plain", type: "button", "data-key": `copy:${id}`, "aria-label": widget.t("copyCode", { code }),
      onclick: () => widget.copy(code, field),
    }, widget.t(widget.copied === code ? "copied" : "copy"));
    const apply = state === "applied" // the same key: the focus stays on what the button has become
      ? h("p", { class: "good", tabindex: "-1", "data-key": `apply:${id}` }, icon(TICK), widget.t("applied"))
      : h("button", {
        class: "main", type: "button", "data-key": `apply:${id}`, "aria-label": widget.t("applyCode", { code }),
        "aria-disabled": state === "busy" ? "true" : null, onclick: () => widget.apply(code),
      }, widget.t(state === "busy" ? "busy" : "apply"));
    return h("li", { class: "coupon" }, h("div", { class: "what" }, h("small", {}, h("bdi", {}, title)), field),
      h("div", { class: "row wide" }, copy, apply), state === "failed" && h("p", { class: "problem wide" }, widget.t("applyFailed")));
  }

  earn(way) {
    const { widget } = this;
    if (way.kind !== "order") return way.title ? h("li", {}, this.what(way.title)) : null; // a kind this version does not know
    const text = widget.count("earn.order", Number(way.points), { money: widget.money(way.per, way.currency, { trailingZeroDisplay: "stripIfInteger" }) });
    const later = way.pending_days > 0 ? widget.count("earn.later", way.pending_days) : null;
    return h("li", {}, this.what(text, ...[later].filter(Boolean)));
  }
}
