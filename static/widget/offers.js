/* What points get: rewards of every kind with their conditions, and the codes they became with their end. */

import { apart, day, list, money, title as titleOf } from "./writing.js";

export class Offers {
  constructor(view, tools) {
    this.view = view;
    this.widget = view.widget;
    this.acts = view.acts;
    this.tools = tools;
  }

  rewards(isKnown) {
    return this.widget.me.rewards.map((one) => this.reward(one, isKnown));
  }

  /** What has to be so for a reward or its code, each in a few words. */
  conditions({ conditions, currency }, isCode = false) {
    const { widget } = this;
    if (!conditions) return [];
    const { minimum_subtotal: least, is_limited_to_products: isLimited, needs_purchase: isWith, code_days: days, per_customer: most, left, combines_with: beside, tiers, ends_at: end } = conditions;
    const kinds = Array.isArray(beside) && beside.map((kind) => widget.t(`beside.${kind}`));
    return [
      Number(least) > 0 && widget.t("minimum", { money: money(widget, least, currency || this.view.currency, { trailingZeroDisplay: "stripIfInteger" }) }),
      isLimited && widget.t("limited"),
      isWith && widget.t("withPurchase"),
      kinds && kinds.length > 0 && widget.t("combines", { kinds: list(widget, kinds) }),
      !isCode && days > 0 && widget.count("codeDays", days),
      !isCode && most > 0 && widget.count("perCustomer", most),
      !isCode && left != null && widget.count("left", left),
      !isCode && tiers?.length > 0 && widget.t("forTiers", { tiers: list(widget, tiers, "disjunction") }),
      !isCode && end && widget.t("until", { date: day(widget, end) }),
    ].filter(Boolean);
  }

  /** Why somebody with points enough cannot have it now; of what this version does not know, in the app's own words. */
  whyNot({ can_redeem: can, why_not: why, conditions }) {
    const { widget } = this, { left, tiers, ends_at: end } = conditions || {};
    if (can !== false || !why) return null;
    if (left === 0) return widget.t("had");
    if (end && new Date(end) < new Date()) return widget.t("over");
    if (tiers?.length) return null; // its conditions say whom it is for
    return conditions ? widget.t("notYet") : String(why);
  }

  /** What it costs at least. */
  least({ cost, choose }) {
    return choose ? choose.least : cost;
  }

  price({ cost, choose }) {
    const { widget } = this;
    return choose ? widget.t("choosePrice", { least: widget.points(choose.least), most: widget.points(choose.most) }) : widget.points(cost);
  }

  reward(reward, isKnown) {
    const { h, once, track } = this.tools, { widget, acts } = this;
    const title = titleOf(widget, reward), least = this.least(reward);
    const missing = least - widget.me.points.available;
    const isAsking = acts.asking === reward.id, cannot = reward.can_redeem === false, refused = this.whyNot(reward);
    const aside = !isKnown || isAsking ? null : missing > 0
      ? h("div", {}, h("small", {}, widget.t("toGo", { points: widget.points(missing) })), track(1 - missing / least, "small"))
      : cannot ? null : h("button", {
        class: "main", type: "button", "data-key": `redeem:${reward.id}`, "aria-label": widget.t("redeemOne", { reward: title }),
        "aria-disabled": acts.busy || acts.isResting ? "true" : null, onclick: once(() => this.choose(reward.id)),
      }, widget.t("redeem"));
    const under = [this.price(reward), reward.text, ...this.conditions(reward), isKnown && missing <= 0 && refused];
    return h("li", {}, this.view.mark(reward.icon), this.view.what(title, ...under.filter(Boolean)), aside, isAsking && this.confirm(reward, title));
  }

  choose(id) {
    const { acts } = this;
    if (acts.busy || (id !== null && acts.isResting)) return;
    acts.asking = id;
    acts.problem = null;
    acts.amount = null;
    this.view.render(id === null ? null : "confirm");
  }

  /** The number of points chosen, within what is offered and what is there. */
  chosen({ choose }) {
    const { acts, widget } = this;
    return acts.amount ?? Math.min(choose.most, Math.floor((widget.me.points.available - choose.least) / choose.step) * choose.step + choose.least);
  }

  isOffered(points, { least, most, step }) {
    return Number.isInteger(points) && points >= least && points <= most && (points - least) % step === 0;
  }

  confirm(reward, title) {
    const { h, once } = this.tools, { widget, acts } = this, { choose } = reward;
    const isBusy = acts.busy === reward.id;
    const problem = acts.problem && acts.problem.id === reward.id ? acts.problem.text : "";
    const cancel = () => { this.choose(null); this.view.render(`redeem:${reward.id}`); };
    const points = choose ? this.chosen(reward) : reward.cost;
    const redeem = () => {
      if (!choose) return acts.redeem(reward);
      const wanted = this.chosen(reward); // by now
      if (this.isOffered(wanted, choose)) return acts.redeem(reward, wanted);
      acts.problem = { id: reward.id, text: widget.t("chooseWrong", { least: widget.points(choose.least), most: widget.points(choose.most), step: widget.number.format(choose.step) }) };
      this.view.render("choose");
    };
    return h("div", { class: "ask", role: "group", "aria-labelledby": "ask" },
      h("p", { id: "ask" }, choose ? widget.t("askChoose", { reward: apart(title) }) : widget.t("ask", { points: widget.points(reward.cost), reward: apart(title) })),
      choose && this.slider(reward, points),
      problem && h("p", { class: "problem", role: "alert" }, problem),
      h("div", { class: "row" },
        h("button", {
          class: "main", type: "button", "data-key": "confirm", "aria-describedby": "ask", "aria-disabled": isBusy ? "true" : null,
          onclick: once(redeem),
        }, widget.t(isBusy ? "busy" : problem ? "retry" : "confirm")),
        !isBusy && h("button", { class: "plain", type: "button", "data-key": "cancel", onclick: cancel }, widget.t("cancel"))));
  }

  /** How many points, and what they become. */
  slider(reward, points) {
    const { h } = this.tools, { widget, acts } = this, { choose, currency } = reward;
    const worth = () => widget.t("chooseWorth", { money: money(widget, Math.floor((acts.amount ?? points) / choose.points_per_unit) * Number(choose.unit_amount), currency || this.view.currency) });
    const says = h("span", { class: "what", "aria-live": "polite" }, worth());
    const field = h("input", {
      class: "field", type: "number", inputmode: "numeric", "data-key": "choose", min: choose.least, max: choose.most, step: choose.step, value: points,
      oninput: () => { acts.amount = field.value === "" ? NaN : Number(field.value); says.textContent = this.isOffered(acts.amount, choose) ? worth() : ""; },
    });
    return h("div", { class: "row" }, h("label", {}, h("small", {}, widget.t("chooseLabel")), field), says);
  }

  // -- codes

  code(one) {
    const { h, icon, once, CLOCK, TICK } = this.tools, { widget, acts } = this, { id, code, kind, state: phase, ends_at: end } = one;
    const title = titleOf(widget, one), key = `code:${id}`;
    if (!code) {
      const text = phase === "captured" ? widget.t(kind === "store_credit" ? "creditGiven" : "given") : widget.t("preparing");
      return h("li", { class: "coupon", tabindex: "-1", "data-key": key }, icon(phase === "captured" ? TICK : CLOCK), this.view.what(title, text));
    }
    const field = h("code", { class: "code", dir: "ltr", tabindex: "-1", "data-key": key }, code);
    const button = (style, name, label, work, isBusy) => h("button", {
      class: style, type: "button", "data-key": `${name}:${id}`, "aria-label": widget.t("ofCode", { label, code }),
      "aria-disabled": isBusy ? "true" : null, onclick: once(work),
    }, label);
    const state = acts.applied.get(code), isBusy = state === "busy";
    const copy = button("plain", "copy", widget.t(acts.copied === code ? "copied" : "copy"), () => acts.copy(code, field), false);
    const apply = kind === "gift_card" ? null : state === "applied" // the same key: the focus stays on what the button has become
      ? h("p", { class: "good", tabindex: "-1", "data-key": `apply:${id}` }, icon(TICK), widget.t("applied"))
      : button("main", "apply", widget.t(isBusy ? "busy" : "apply"), () => acts.apply(code), isBusy);
    const under = [...this.conditions(one, true), end && widget.t("codeEnds", { date: day(widget, end) }), kind === "gift_card" && widget.t("giftCardUse")].filter(Boolean);
    return h("li", { class: "coupon" }, h("div", { class: "what" }, h("small", {}, h("bdi", {}, title)), field, under.map((text) => h("small", {}, text))),
      h("div", { class: "row wide" }, copy, apply), state === "failed" && h("p", { class: "problem wide" }, widget.t("applyFailed")));
  }
}
