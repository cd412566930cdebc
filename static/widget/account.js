/* What a shopper has besides the balance: codes, dates, and a history that says why. */

import { apart, day, title } from "./writing.js";

export class Account {
  constructor(view, tools) {
    this.view = view;
    this.widget = view.widget;
    this.tools = tools;
  }

  /** Points have moved: what was read of the lists' later pages is of yesterday. */
  renew() {
    this.codesAfter = null;
    if (this.reading) this.isOutdated = true;
    else if (this.history) this.read();
  }

  /** All of them: those `me` tells, and the pages behind it that were asked for. */
  codes() {
    const told = this.widget.codes(), ids = new Set(told.map((one) => one.id));
    return [...told, ...(this.codesAfter?.codes || []).filter((one) => !ids.has(one.id))];
  }

  codesEnd() {
    const { h } = this.tools, { me } = this.widget;
    if (me.codes === null && !this.codes().length) return [h("p", {}, this.widget.t("codesUnknown"))];
    const next = this.codesAfter ? this.codesAfter.next : me.codes_next;
    return next ? [this.more("codes", "codesMore", () => this.moreCodes(next))] : [];
  }

  async moreCodes(after) {
    const earlier = this.codesAfter?.codes || [];
    const page = await this.page("/codes", after, "codes");
    if (page) this.codesAfter = { codes: [...earlier, ...page.codes], next: page.next };
    this.widget.render(page ? `code:${page.codes[0]?.id}` : "more:codes");
  }

  dates() {
    const { h, icon } = this.tools, { widget } = this;
    const line = (text) => h("li", {}, icon(this.tools.CLOCK), h("span", {}, text));
    const coming = this.view.each(widget.me.coming || [], ({ on, points }) =>
      line(widget.t(on ? "coming" : "comingLater", { points: widget.points(points), date: on && day(widget, on) })));
    const ending = this.view.each(widget.me.ending || [], ({ on, points }) => line(widget.count(on ? "ends" : "endsLater", points, { date: on && day(widget, on) })));
    return [...coming, ...ending];
  }

  historyEnd() {
    const { h } = this.tools, { widget } = this;
    if (!this.history) return [this.more("history", "historyShow", () => this.read())];
    if (!this.history.length) return [h("p", { tabindex: "-1", "data-key": "move:0" }, widget.t("historyNone"))];
    return this.historyNext ? [this.more("history", "historyMore", () => this.read(this.historyNext))] : [];
  }

  /** The history from its beginning, or what comes after a place of it. */
  async read(after = "") {
    const isFresh = Boolean(this.history) && !after; // read again because points have moved
    const page = await this.page("/history", after, "history");
    if (this.isOutdated) { // points moved meanwhile
      this.isOutdated = false;
      return this.read();
    }
    const had = after ? this.history : [];
    if (page) {
      this.history = [...had, ...page.history];
      this.historyNext = page.next;
    }
    this.widget.render(isFresh ? null : page ? `move:${had.length}` : "more:history");
  }

  /** A page of a list; null when it cannot be had, which is said beside the button. */
  async page(path, after, name) {
    const { widget } = this;
    if (this.reading) return null;
    this.reading = name;
    this.unread = null;
    this.widget.render();
    let page = null;
    try {
      const { status, body } = await widget.ask(path + (after ? `?after=${encodeURIComponent(after)}` : ""));
      if (status === 200 && Array.isArray(body[name])) page = body;
    } catch (error) { this.tools.hush(error); } // said below
    this.reading = null;
    this.unread = page ? null : name;
    return page;
  }

  more(name, text, work) {
    const { h, once } = this.tools, { widget } = this;
    const isBusy = this.reading === name;
    return [
      this.unread === name && h("p", { class: "problem", role: "alert" }, widget.t("historyFailed")),
      h("button", { class: "plain", type: "button", "data-key": `more:${name}`, "aria-disabled": isBusy ? "true" : null, onclick: once(() => !isBusy && work()) },
        widget.t(isBusy ? "busy" : text)),
    ];
  }

  movements() {
    return this.view.each(this.history || [], (one, at) => this.movement(one, at));
  }

  movement(one, at) {
    const { h } = this.tools, { widget } = this, { change, on, until } = one;
    const signed = new Intl.NumberFormat(widget.locale, { signDisplay: "exceptZero" }).format(change);
    const later = until && one.kind !== "earned" && widget.t("yoursOn", { date: day(widget, until) });
    const bonuses = (one.bonuses || []).map(([name, points]) => widget.t("why.bonus", { points: widget.points(points), title: apart(name) }));
    return h("li", { tabindex: "-1", "data-key": `move:${at}` },
      h("div", { class: "what" }, h("span", {}, this.why(one)), bonuses.map((text) => h("small", {}, text)), h("small", {}, day(widget, on), later && ` · ${later}`)),
      change !== 0 && h("span", { class: "change" }, signed));
  }

  /** Why points moved, in the shopper's words; in the app's own for what this version does not know. */
  why({ kind, points, order, reward, why, until, way, title: given }) {
    const { widget } = this;
    const ofWay = kind === "given" ? `why.way.${way}` : ["taken_back", "owed"].includes(kind) ? "why.way.back" : "";
    const key = way && ofWay ? ofWay : `why.${kind === "earned" && until ? "earnedLater" : kind}`;
    if (!(key in widget.messages)) return why;
    const names = { points: widget.points(points), order: apart(order || ""), reward: apart(title(widget, { title: reward })), title: apart(given || "") };
    return widget.t(key, { ...names, date: until && day(widget, until) });
  }
}
