/* What the launcher opens: a dialog with balance, codes, rewards, dates and history, made when first opened. Codes, dates
   and history come from account.js, what is done from acts.js.
   Everything that comes from the app or the merchant goes in as text, never as markup. The visible words of a button are
   the first words of its name. */

import { Account } from "./account.js";
import { Acts } from "./acts.js";
import { STYLE } from "./style.js";
import { ENGLISH } from "./words.js";

const CLOSE = "M6 6l12 12M18 6L6 18";
const CLOCK = "M12 3a9 9 0 100 18 9 9 0 000-18zM12 7v5l3 2";
const TICK = "M5 12.500l4.500 4.500L19 7.500";
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufefc]/;

let h, icon; // of holdfast.js

/** A name amid a sentence, which one written from right to left must not turn round. */
const apart = (name) => (RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name);

/** Only the first of several quick clicks counts: the others were for what was there before it. */
const once = (work) => (event) => { if (event.detail < 2) work(); };

function track(share, kind = "") {
  const bar = h("i");
  bar.style.inlineSize = `${Math.round(Math.min(Math.max(share, 0), 1) * 100)}%`;
  return h("span", { class: `track ${kind}`, "aria-hidden": "true" }, bar); // the figure beside it says the same
}

export class View {
  constructor(widget, tools) {
    ({ h, icon } = tools);
    this.widget = widget;
    this.shadow = widget.shadow;
    tools.dress(this.shadow, STYLE);
    widget.messages = { ...ENGLISH, ...widget.messages };
    this.acts = new Acts(widget, tools);
    this.account = new Account(this, { ...tools, apart, once, CLOCK });
    const { language, direction } = widget;
    this.content = h("div", { class: "content", lang: language, dir: direction });
    this.status = h("p", { class: "say", role: "status", "aria-live": "polite" });
    this.panel = h("dialog", {
      class: "panel", part: "panel", "aria-labelledby": "title",
      onclick: (event) => event.target === this.panel && this.panel.close(), // the backdrop
      onclose: () => this.closed(),
      onkeydown: (event) => this.keyed(event),
    }, this.content, this.status);
    this.shadow.append(this.panel);
  }

  get isOpen() {
    return this.panel.open;
  }

  open() {
    const { widget } = this;
    this.acts.asking = this.acts.problem = null;
    widget.pause = 0;
    this.render();
    this.panel.style.blockSize = "";
    this.panel.showModal();
    // what comes later scrolls inside: the panel stays where it is
    this.panel.style.blockSize = `${this.panel.offsetHeight}px`;
    widget.launcher.setAttribute("aria-expanded", "true");
    widget.refresh();
  }

  closed() {
    const { widget } = this;
    widget.launcher.setAttribute("aria-expanded", "false");
    widget.launcher.focus();
    widget.plan(); // stops the questions
  }

  /** Tab goes round inside the dialog; the page behind it is inert. A key held down presses a button once. */
  keyed(event) {
    if (event.repeat && (event.key === "Enter" || event.key === " ")) event.preventDefault();
    if (event.key !== "Tab") return;
    const stops = [...this.panel.querySelectorAll("a[href], button, [tabindex='0']")];
    const edge = event.shiftKey ? stops[0] : stops.at(-1);
    if (this.shadow.activeElement !== edge) return;
    event.preventDefault();
    (event.shiftKey ? stops.at(-1) : stops[0]).focus();
  }

  /** Tell a screen reader; the same words twice are told twice. */
  say(text) {
    this.status.textContent = "";
    setTimeout(() => { this.status.textContent = text; }, 50);
  }

  /** Something else is known than before: tell what a shopper waits for, and read on in what was opened. */
  changed(waiting, wasOld, hasMoved) {
    const { widget } = this;
    const ready = widget.codes().find((one) => one.code && waiting.includes(one.id));
    if (ready) this.say(widget.t("ready", { code: ready.code }));
    else if (widget.isOld !== wasOld) this.say(wasOld ? widget.t("current") : this.old());
    if (hasMoved) this.account.renew();
  }

  render(focus = null) {
    const { isKnown } = this.widget;
    const had = this.shadow.activeElement && this.shadow.activeElement.dataset.key;
    const scrolled = [".body", ""].map((part) => (part ? this.content.querySelector(part) : this.content)?.scrollTop || 0);
    this.content.replaceChildren(this.head(isKnown), this.body(isKnown), this.behind() || "");
    [this.content.querySelector(".body").scrollTop, this.content.scrollTop] = scrolled;
    if (!this.isOpen) return;
    const find = (key) => key && [...this.content.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    (find(focus) || find(had) || find("close")).focus({ preventScroll: !find(focus) });
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
    const { available, pending, held, debt } = widget.me.points;
    const total = h("p", { class: "total" }, h("strong", {}, widget.number.format(available)), " ", widget.count("unit", available));
    const side = [["pending", pending], ["held", held]].filter(([, figure]) => figure > 0);
    const lines = side.map(([key, figure]) => h("p", { class: "side" }, widget.t(key, { points: widget.points(figure) })));
    return [total, lines, debt > 0 && h("p", { class: "debt" }, widget.count("debt", debt)), this.next(available)];
  }

  /** How far it is to the next reward. */
  next(available) {
    const { widget } = this;
    const rewards = [...widget.me.rewards].sort((one, other) => one.cost - other.cost);
    const goal = rewards.find((one) => one.cost > available);
    if (!goal && !rewards.length) return null;
    const text = goal
      ? widget.t("next", { points: widget.points(goal.cost - available), reward: apart(this.title(goal.title)) })
      : widget.t("enough", { reward: apart(this.title(rewards.at(-1).title)) });
    return h("p", { class: "next" }, text, track(goal ? available / goal.cost : 1));
  }

  welcome() {
    const { widget } = this;
    if (widget.isSignedIn) return null; // a balance nobody knows at the moment; the strip below says so
    const login = widget.getAttribute("login") || `${widget.root}/account/login`;
    return [h("p", { class: "welcome" }, widget.t("welcome")), h("a", {
      class: "link", href: login, "data-key": "login", onclick: () => this.panel.close(), // signing in may be on this page
    }, widget.t("signIn"))];
  }

  /** The same words as in admin when a figure may be old. */
  old() {
    const { widget } = this;
    const { as_of: asOf } = widget.me.points;
    return widget.t("behind") + (widget.isKnown && asOf ? ` ${widget.t("asOf", { time: widget.time(asOf) })}` : "");
  }

  /** What stands below while a figure may be old; else other notices of the app as they come. */
  behind() {
    const { widget } = this;
    const text = widget.isOld ? this.old() : widget.me.notices.join(" ");
    return text ? h("p", { class: "behind" }, icon(CLOCK), h("span", {}, text)) : null;
  }

  /** A reward as the app names it unless the merchant did ("5.00 off") is said in the shopper's words. */
  title(given) {
    const { widget } = this;
    const [, amount] = /^(\d+\.\d\d) off$/.exec(given) || [];
    const currency = widget.me.ways_to_earn[0]?.currency;
    return amount && currency ? widget.t("off", { money: widget.money(amount, currency) }) : given;
  }

  body(isKnown) {
    const { account, widget } = this;
    const section = (key, items, kind = null, ...more) =>
      items.length || more.length ? h("section", { class: kind }, h("h3", {}, widget.t(key)), items.length > 0 && h("ul", {}, items), more) : null;
    const rewards = widget.me.rewards.map((one) => this.reward(one, isKnown));
    const earn = widget.me.ways_to_earn.map((one) => this.earn(one)).filter(Boolean);
    const offers = section(isKnown ? "redeemList" : "rewardList", rewards) || h("p", {}, widget.t("noRewards"));
    return h("div", { class: "body", tabindex: "0", role: "group", "aria-labelledby": "title" },
      isKnown && section("codes", account.codes().map((one) => this.code(one)), null, ...account.codesEnd()), offers,
      isKnown && section("dates", account.dates(), "dates"), section("earnList", earn),
      isKnown && section("history", account.movements(), "past", ...account.historyEnd()));
  }

  what(title, ...under) {
    return h("div", { class: "what" }, h("b", {}, h("bdi", {}, title)), under.map((text) => h("small", {}, text)));
  }

  reward(reward, isKnown) {
    const { widget } = this;
    const title = this.title(reward.title);
    const missing = reward.cost - widget.me.points.available;
    const isAsking = this.acts.asking === reward.id;
    const aside = !isKnown || isAsking ? null : missing > 0
      ? h("div", {}, h("small", {}, widget.t("toGo", { points: widget.points(missing) })), track(1 - missing / reward.cost, "small"))
      : h("button", {
        class: "main", type: "button", "data-key": `redeem:${reward.id}`, "aria-label": widget.t("redeemOne", { reward: title }),
        "aria-disabled": this.acts.busy || this.acts.isResting ? "true" : null, onclick: once(() => this.choose(reward.id)),
      }, widget.t("redeem"));
    return h("li", {}, this.what(title, widget.points(reward.cost)), aside, isAsking && this.confirm(reward, title));
  }

  choose(id) {
    if (this.acts.busy || (id !== null && this.acts.isResting)) return;
    this.acts.asking = id;
    this.acts.problem = null;
    this.render(id === null ? null : "confirm");
  }

  confirm(reward, title) {
    const { widget } = this;
    const isBusy = this.acts.busy === reward.id;
    const problem = this.acts.problem && this.acts.problem.id === reward.id ? this.acts.problem.text : "";
    const cancel = () => { this.choose(null); this.render(`redeem:${reward.id}`); };
    return h("div", { class: "ask", role: "group", "aria-labelledby": "ask" },
      h("p", { id: "ask" }, widget.t("ask", { points: widget.points(reward.cost), reward: apart(title) })),
      problem && h("p", { class: "problem", role: "alert" }, problem),
      h("div", { class: "row" },
        h("button", {
          class: "main", type: "button", "data-key": "confirm", "aria-describedby": "ask", "aria-disabled": isBusy ? "true" : null,
          onclick: once(() => this.acts.redeem(reward)),
        }, widget.t(isBusy ? "busy" : problem ? "retry" : "confirm")),
        !isBusy && h("button", { class: "plain", type: "button", "data-key": "cancel", onclick: cancel }, widget.t("cancel"))));
  }

  code({ id, code, title: given }) {
    const { widget } = this;
    const title = this.title(given);
    const key = `code:${id}`;
    if (!code) return h("li", { class: "coupon", tabindex: "-1", "data-key": key }, icon(CLOCK), this.what(title, widget.t("preparing")));
    const field = h("code", { class: "code", dir: "ltr", tabindex: "-1", "data-key": key }, code);
    const button = (kind, name, label, work, isBusy) => h("button", {
      class: kind, type: "button", "data-key": `${name}:${id}`, "aria-label": widget.t("ofCode", { label, code }),
      "aria-disabled": isBusy ? "true" : null, onclick: once(work),
    }, label);
    const state = this.acts.applied.get(code), isBusy = state === "busy";
    const copy = button("plain", "copy", widget.t(this.acts.copied === code ? "copied" : "copy"), () => this.acts.copy(code, field), false);
    const apply = state === "applied" // the same key: the focus stays on what the button has become
      ? h("p", { class: "good", tabindex: "-1", "data-key": `apply:${id}` }, icon(TICK), widget.t("applied"))
      : button("main", "apply", widget.t(isBusy ? "busy" : "apply"), () => this.acts.apply(code), isBusy);
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
