/* What the launcher opens: a dialog with balance, codes, rewards, tier, ways to earn, referral link, dates and history,
   made when first opened. Each part draws itself from a file of its own; what is done is in acts.js. While it is open the
   app is asked again, with growing pauses, and at once when something has changed.
   Everything that comes from the app or the merchant goes in as text, never as markup. The visible words of a button are
   the first words of its name. */

import { Account } from "./account.js";
import { Acts } from "./acts.js";
import { Earning } from "./earning.js";
import { Offers } from "./offers.js";
import { Sharing } from "./sharing.js";
import { Standing } from "./standing.js";
import { STYLE } from "./style.js";
import { ENGLISH } from "./words.js";
import { apart, title } from "./writing.js";

const POLL_FIRST = 2000, POLL_MOST = 10000; // milliseconds
const CLOSE = "M6 6l12 12M18 6L6 18";
const CLOCK = "M12 3a9 9 0 100 18 9 9 0 000-18zM12 7v5l3 2";
const TICK = "M5 12.500l4.500 4.500L19 7.500";

let h, icon; // of holdfast.js

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
    const all = { ...tools, once, track, CLOCK, TICK };
    this.acts = new Acts(widget, all);
    this.account = new Account(this, all);
    this.earning = new Earning(this, all);
    this.offers = new Offers(this, all);
    this.sharing = new Sharing(this, all);
    this.standing = new Standing(this, all);
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
    this.refresh();
  }

  closed() {
    const { widget } = this;
    widget.launcher.setAttribute("aria-expanded", "false");
    widget.launcher.focus();
    this.plan(); // stops the questions
  }

  /** Tab goes round inside the dialog; the page behind it is inert. A key held down presses a button once. */
  keyed(event) {
    if (event.repeat && (event.key === "Enter" || event.key === " ")) event.preventDefault();
    if (event.key !== "Tab") return;
    const stops = [...this.panel.querySelectorAll("a[href], button, input, select, [tabindex='0']")];
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
    return [total, lines, debt > 0 && h("p", { class: "debt" }, widget.count("debt", debt)), this.safely(() => this.next(available))];
  }

  /** How far it is to the next reward. */
  next(available) {
    const { widget, offers } = this;
    const rewards = widget.me.rewards.map((one) => ({ cost: offers.least(one), name: apart(title(widget, one)) })).filter(({ cost }) => cost > 0).sort((one, other) => one.cost - other.cost);
    const goal = rewards.find((one) => one.cost > available);
    if (!goal && !rewards.length) return null;
    const text = goal ? widget.t("next", { points: widget.points(goal.cost - available), reward: goal.name }) : widget.t("enough", { reward: rewards.at(-1).name });
    return h("p", { class: "next" }, text, track(goal ? available / goal.cost : 1));
  }

  welcome() {
    const { widget } = this;
    if (widget.isSignedIn) return null; // a balance nobody knows at the moment; the strip below says so
    return [h("p", { class: "welcome" }, widget.t("welcome")), h("a", {
      class: "link", href: this.login, "data-key": "login", onclick: () => this.panel.close(), // signing in may be on this page
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

  body(isKnown) {
    const { account, earning, offers, sharing, standing, widget } = this, { unknown } = widget.me;
    const section = (key, items, kind = null, ...more) =>
      items.length || more.length ? h("section", { class: kind }, h("h3", {}, widget.t(key)), items.length > 0 && h("ul", {}, items), more) : null;
    const key = isKnown ? "redeemList" : "rewardList";
    const away = h("p", {}, widget.t("notShown")); // of a part that is away; the others stand
    const rewards = section(key, this.safely(() => offers.rewards(isKnown)), null, ...(unknown.includes("rewards") ? [away] : []));
    return h("div", { class: "body", tabindex: "0", role: "group", "aria-labelledby": "title" },
      isKnown && section("codes", this.each(account.codes(), (one) => offers.code(one)), null, ...account.codesEnd()),
      section("campaigns", this.safely(() => earning.campaigns())), rewards || h("p", {}, widget.t("noRewards")),
      section("tier", this.safely(() => standing.draw()), "tiers"), section("earnList", this.safely(() => earning.ways())),
      section("referral", this.safely(() => sharing.draw())), isKnown && section("dates", this.safely(() => account.dates()), "dates"),
      isKnown && section("history", this.safely(() => account.movements()), "past", ...account.historyEnd()));
  }

  /** What a part draws; one that cannot be drawn is left out, and told. */
  safely(draw) {
    try {
      return draw();
    } catch (error) {
      setTimeout(() => { throw error; });
      return [];
    }
  }

  /** The same of each of a list: one that cannot be drawn takes none of the others with it. */
  each(list, draw) {
    return list.flatMap((one, at) => this.safely(() => draw(one, at)) || []);
  }

  /** Where one signs in. */
  get login() {
    return this.widget.getAttribute("login") || `${this.widget.root}/account/login`;
  }

  /** The currency of the shop, where what is shown names none. */
  get currency() {
    const { rewards, ways_to_earn: ways } = this.widget.me;
    return [...ways, ...rewards].find((one) => one.currency)?.currency || "USD";
  }

  what(name, ...under) {
    return h("div", { class: "what" }, h("b", {}, h("bdi", {}, name)), under.map((text) => h("small", {}, text)));
  }

  /** An emoji, or a picture by its address: it stands beside a name that says the same. */
  mark(given) {
    if (!given) return null;
    const isPicture = /^https:\/\//.test(given);
    if (isPicture) return h("img", { class: "mark", src: given, alt: "", width: 32, height: 32, loading: "lazy" });
    return given.length <= 16 ? h("span", { class: "mark", "aria-hidden": "true" }, given) : null;
  }

  /** Why something asked for was not done, in the shopper's words. */
  reason(answer) {
    const { widget } = this, code = answer?.body?.error?.code;
    return widget.t(`error.${code}` in widget.messages ? `error.${code}` : "error.unavailable");
  }

  // -- asking again

  /** What is drawn, as a text to compare: when a live figure was read is not. */
  drawn() {
    const { widget } = this, { points } = widget.me;
    return JSON.stringify([widget.isBehind, { ...widget.me, points: { ...points, as_of: widget.isOld ? points.as_of : null } }]);
  }

  async refresh() {
    const { widget } = this;
    clearTimeout(widget.timer);
    const before = this.drawn(), wasOld = widget.isOld, { sequence } = widget.me.points;
    const waiting = widget.codes().filter((one) => !one.code).map((one) => one.id);
    await widget.load();
    if (this.drawn() !== before) {
      widget.pause = 0;
      widget.render();
      this.changed(waiting, wasOld, sequence !== widget.me.points.sequence);
    }
    this.plan();
  }

  /** While the panel is open: soon after something has changed, then with growing pauses. */
  plan() {
    const { widget } = this;
    clearTimeout(widget.timer);
    if (!this.isOpen || !widget.isConnected) return;
    widget.pause = Math.min((widget.pause || POLL_FIRST / 2) * 2, POLL_MOST);
    widget.timer = setTimeout(() => (document.hidden || this.acts.busy ? this.plan() : this.refresh()), widget.pause);
  }
}
