/* How points grow: campaigns that run now, the ways to earn with what was done already, and the birthday the shopper tells. */

import { day, money } from "./writing.js";

const YEAR = 2024; // one with a 29 February

export class Earning {
  constructor(view, tools) {
    this.view = view;
    this.widget = view.widget;
    this.tools = tools;
    this.busy = this.problem = null; // the way being asked about, or {id, text}
    this.born = {}; // {month, day} as chosen, not sent yet
  }

  campaigns() {
    const { h } = this.tools, { widget } = this;
    const isRunning = ({ ends_at: end }) => !end || new Date(end) > new Date();
    return this.view.each(widget.me.campaigns.filter(isRunning), ({ name, text, effect, value, ends_at: end }) => {
      const figure = Number(value);
      const says = !figure ? null : effect === "add" ? widget.t("campaignAdd", { points: widget.points(figure) }) : widget.t("campaignTimes", { times: widget.number.format(figure) });
      const until = end && widget.t("until", { date: this.last(end) });
      return h("li", { class: "campaign" }, this.view.what(name, ...[says, text, until].filter(Boolean)));
    });
  }

  /** When something ends: a midnight by the last day before it. */
  last(end) {
    const before = new Date(new Date(end) - 1), isMidnight = before.getDate() !== new Date(end).getDate();
    return isMidnight ? day(this.widget, before.toISOString()) : this.widget.time(end);
  }

  ways() {
    return this.view.each(this.widget.me.ways_to_earn, (way) => this.way(way));
  }

  way(way) {
    const { h, icon, TICK } = this.tools, { widget } = this;
    if (way.kind === "order") return this.order(way);
    const key = `way.${way.kind}`;
    const title = way.title || (key in widget.messages && widget.t(key));
    if (!title) return null; // a kind this version does not know
    const again = way.again_at && widget.t("wayAgain", { date: day(widget, way.again_at) });
    const done = way.state === "done" && h("span", { class: "good" }, icon(TICK), widget.t("wayDone"));
    const gives = Number(way.points) > 0 && widget.points(Number(way.points));
    const problem = this.problem?.id === way.id && h("p", { class: "problem wide", role: "alert" }, this.problem.text);
    return h("li", {}, this.view.what(title, ...[gives, way.state === "waiting" && again].filter(Boolean)), done || this.act(way, title), problem,
      way.kind === "birthday" && this.birthday());
  }

  order(way) {
    const { h } = this.tools, { widget } = this;
    const spend = money(widget, way.per, way.currency, { trailingZeroDisplay: "stripIfInteger" });
    const later = way.pending_days > 0 ? widget.count("earn.later", way.pending_days) : null;
    return h("li", {}, this.view.what(widget.count("earn.order", Number(way.points), { money: spend }), ...[later].filter(Boolean)));
  }

  /** What a shopper can do about a way here: follow a link, or say that it is done. */
  act(way, title) {
    const { h, once } = this.tools, { widget } = this;
    if (way.kind === "account" && !widget.isSignedIn) {
      return h("a", { class: "plain go", href: this.view.login, "data-key": `way:${way.id}`, "aria-label": `${widget.t("wayGo")}: ${title}` }, widget.t("wayGo"));
    }
    if (way.state !== "open" || !["follow", "action"].includes(way.kind) || !/^https:\/\//.test(way.url || "")) return null;
    const name = widget.t("wayGo");
    return h("a", {
      class: "plain go", href: way.url, target: "_blank", rel: "noopener noreferrer", "data-key": `way:${way.id}`, "aria-label": `${name}: ${title}`,
      onclick: once(() => widget.isSignedIn && this.done(way)),
    }, name);
  }

  async done({ id }) {
    if (this.busy) return;
    await this.tell("/actions", { id }, id, `way:${id}`);
  }

  /** Ask the app to note something of the shopper; what it says to it stands beside `id`. */
  async tell(path, body, id, focus) {
    const { widget } = this;
    this.busy = id;
    this.problem = null;
    widget.render();
    let answer = null;
    try {
      answer = await widget.ask(path, { method: "POST", body: JSON.stringify(body) });
    } catch (error) { this.tools.hush(error); } // said below
    this.busy = null;
    const isDone = answer && answer.status < 300;
    if (!isDone) this.problem = { id, text: this.view.reason(answer) };
    widget.render(focus);
    if (isDone) await this.view.refresh();
    return isDone;
  }

  // -- the birthday

  birthday() {
    const { h } = this.tools, { widget } = this, told = widget.me.birthday;
    if (!told || !widget.isSignedIn) return null;
    const set = told.month_day && h("small", { class: "wide" }, widget.t("birthdayIs", { date: this.dayOfYear(told.month_day) }));
    if (!told.can_edit) {
      const from = told.editable_from && h("small", { class: "wide" }, widget.t("birthdayFrom", { date: day(widget, told.editable_from) }));
      return [set, from];
    }
    const [month, date] = (told.month_day || "-").split("-");
    const chosen = { month: this.born.month ?? month, day: this.born.day ?? date };
    const days = new Date(YEAR, Number(chosen.month || 1), 0).getDate();
    if (Number(chosen.day) > days) chosen.day = "";
    const two = (number) => String(number).padStart(2, "0");
    const names = new Intl.DateTimeFormat(widget.locale, { month: "long" });
    const months = Array.from({ length: 12 }, (_, at) => [two(at + 1), names.format(new Date(YEAR, at, 1))]);
    const choice = (name, label, options) => h("label", {}, h("small", {}, label), h("select", {
      "data-key": `birthday:${name}`, onchange: (event) => { this.born = { ...chosen, [name]: event.target.value }; widget.render(); },
    }, h("option", { value: "" }, "–"), options.map(([value, text]) => h("option", { value, selected: value === chosen[name] }, text))));
    const isBusy = this.busy === "born";
    return [set, h("form", { class: "row wide", onsubmit: (event) => { event.preventDefault(); this.celebrate(chosen); } },
      choice("month", widget.t("month"), months), choice("day", widget.t("day"), Array.from({ length: days }, (_, at) => [two(at + 1), widget.number.format(at + 1)])),
      h("button", { class: "plain", "data-key": "birthday:save", "aria-disabled": isBusy ? "true" : null }, widget.t(isBusy ? "busy" : "birthdaySave"))),
    this.problem?.id === "born" && h("p", { class: "problem wide", role: "alert" }, this.problem.text)];
  }

  dayOfYear(monthDay) {
    const [month, date] = monthDay.split("-").map(Number);
    return new Date(Date.UTC(YEAR, month - 1, date)).toLocaleDateString(this.widget.locale, { day: "numeric", month: "long", timeZone: "UTC" });
  }

  async celebrate({ month, day: date }) {
    const { widget } = this;
    if (this.busy) return;
    if (!month || !date) {
      this.problem = { id: "born", text: widget.t("birthdayIncomplete") };
      return void widget.render("birthday:month");
    }
    if (await this.tell("/birthday", { month_day: `${month}-${date}` }, "born", "birthday:save")) {
      this.born = {};
      this.view.say(widget.t("birthdaySaved"));
    }
  }
}
