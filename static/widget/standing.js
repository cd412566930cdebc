/* The shopper's tier: what it is called, what it gives, how far the next one is, and what keeps this one. */

import { apart, day, money } from "./writing.js";

export class Standing {
  constructor(view, tools) {
    this.view = view;
    this.tools = tools;
  }

  /** So much of what a tier asks for: points, money spent or orders. */
  amount(measure, figure) {
    const { widget } = this.view;
    if (measure === "spend") return money(widget, figure, this.view.currency, { trailingZeroDisplay: "stripIfInteger" });
    return measure === "orders" ? widget.count("orders", Number(figure)) : widget.points(Number(figure));
  }

  draw() {
    const { tier, tiers } = this.view.widget.me;
    const higher = tier ? tiers.slice(tiers.findIndex((one) => one.id === tier.id) + 1) : tiers;
    return [...this.view.each(tier ? [tier] : [], (one) => this.own(one)), ...this.view.each(higher, (one) => this.offered(one))];
  }

  own({ name, icon, perks, next, keeps }) {
    const { h, track } = this.tools, { widget } = this.view;
    const left = ({ have, want }) => Math.max(0, Number(want) - Number(have));
    const on = next && h("div", { class: "wide" },
      h("small", {}, widget.t("tierNext", { amount: this.amount(next.measure, left(next)), tier: apart(next.name) })), track(next.have / next.want, "small"));
    const date = keeps?.until && day(widget, keeps.until);
    const stays = date && h("small", { class: "wide" }, left(keeps)
      ? widget.t("tierKeep", { amount: this.amount(keeps.measure || next?.measure, left(keeps)), date }) : widget.t("tierKept", { date }));
    return h("li", { class: "tier" }, this.view.mark(icon), this.view.what(name, ...this.perks(perks)), on, stays);
  }

  /** What a tier gives: its multiplier ("1.5x points") in the shopper's words, the rest as the merchant wrote it. */
  perks(perks) {
    const { widget } = this.view;
    return (Array.isArray(perks) ? perks : []).map((perk) => {
      const [, times] = /^(\d+(?:\.\d+)?)x points$/.exec(perk) || [];
      return times ? widget.t("campaignTimes", { times: widget.number.format(Number(times)) }) : perk;
    });
  }

  /** A tier the shopper is not in. */
  offered({ name, threshold, measure, perks, icon }) {
    const { h } = this.tools, { widget } = this.view;
    const from = Number(threshold) ? widget.t("tierFrom", { amount: this.amount(measure, threshold) }) : null;
    return h("li", {}, this.view.mark(icon), this.view.what(name, ...[from, ...this.perks(perks)].filter(Boolean)));
  }
}
