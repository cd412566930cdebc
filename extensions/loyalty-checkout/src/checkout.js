/* What a shopper sees of the programme at the checkout and on the thank-you page: the balance, the rewards of every kind
   with their conditions, and the codes with their end. Where the app is away it draws nothing: a checkout comes first. */

import "@shopify/ui-extensions/preact";
import { h, render } from "preact";

import { Offers } from "../../../static/widget/offers.js";
import { day, money, title as titleOf } from "../../../static/widget/writing.js";
import { Account } from "./account.js";
import { Language } from "./language.js";

const SHOWN_AT_ONCE = 3; // a checkout is short

export default async function extension() {
  const { shopify } = globalThis;
  const language = new Language(shopify.localization.language.value.isoCode);
  const block = { isWhole: false, chosen: new Map() };
  const account = new Account(shopify, language, process.env.APP_URL, () => draw());
  const offers = new Offers({ widget: language, acts: {}, get currency() { return account.currency; } }, {});
  const draw = () => render(account.me ? whole({ account, block, draw, language, offers }) : null, document.body);
  shopify.discountCodes?.subscribe(draw);
  await account.load();
}

const text = (...children) => h("s-text", {}, ...children);
const small = (child, more = {}) => h("s-text", { key: child, color: "subdued", type: "small", ...more }, child);
const stack = (key, ...children) => h("s-stack", { key, gap: "small-200" }, ...children);
const spaced = (key, ...children) => h("s-stack", { key, gap: "base" }, ...children);

function whole(it) {
  const { account, language } = it, { me, said } = account;
  const codes = (me.codes || []).filter((one) => one.state === "held" || one.state === "captured");
  if (!me.customer_id && !me.rewards.length) return null;
  return h("s-section", { heading: language.t("rewards") }, h("s-stack", { gap: "base" },
    said && h("s-banner", { key: "said", tone: said.tone }, said.text),
    balance(it),
    codes.length > 0 && spaced("codes", h("s-heading", { key: "heading" }, language.t("codes")), ...codes.map((one) => code(it, one))),
    rewards(it)));
}

function balance({ account: { me }, language }) {
  if (!me.customer_id) return text(language.t("signIn"));
  const { points } = me;
  if (!points || points.source === "unavailable") return text(language.t("notShown"));
  const isOld = points.source === "cached";
  return stack("balance",
    h("s-text", { key: "points", type: "strong" }, `${language.t("balance")}: ${language.points(points.available)}`),
    isOld && points.as_of && small(language.t("asOf", { time: language.time(points.as_of) })));
}

function rewards(it) {
  const { account: { me }, block, draw, language } = it;
  if (!me.rewards.length) return null;
  const isKnown = Boolean(me.customer_id) && me.points && me.points.source !== "unavailable";
  const canHave = (one) => isKnown && one.can_redeem !== false && it.offers.least(one) <= me.points.available;
  const ordered = [...me.rewards.filter(canHave), ...me.rewards.filter((one) => !canHave(one))];
  const shown = block.isWhole ? ordered : ordered.slice(0, SHOWN_AT_ONCE);
  return spaced("rewards",
    h("s-heading", { key: "heading" }, language.t(isKnown ? "redeemList" : "rewardList")),
    ...shown.map((one) => reward(it, one, canHave(one), isKnown)),
    shown.length < ordered.length && h("s-button", { key: "more", variant: "secondary", onClick: () => { block.isWhole = true; draw(); } }, language.t("historyMore")));
}

function reward(it, one, canHave, isKnown) {
  const { account, block, draw, language, offers } = it, { choose } = one;
  const name = titleOf(language, one), missing = isKnown ? offers.least(one) - account.me.points.available : 0;
  const refused = isKnown && missing <= 0 && offers.whyNot(one);
  const under = [offers.price(one), one.text, ...offers.conditions(one), missing > 0 && language.t("toGo", { points: language.points(missing) }), refused];
  const wanted = choose ? block.chosen.get(one.id) ?? offers.chosen(one) : null;
  const isWrong = choose && !offers.isOffered(wanted, choose);
  return stack(`reward:${one.id}`,
    h("s-text", { key: "name", type: "strong" }, one.icon ? `${one.icon} ${name}` : name),
    ...under.filter(Boolean).map((line) => small(line)),
    canHave && choose && h("s-number-field", {
      key: "points", label: language.t("chooseLabel"), min: choose.least, max: choose.most, step: choose.step, value: String(wanted),
      error: isWrong ? language.t("chooseWrong", { least: language.points(choose.least), most: language.points(choose.most), step: language.number.format(choose.step) }) : "",
      onChange: ({ currentTarget: { value } }) => { block.chosen.set(one.id, value === "" ? NaN : Number(value)); draw(); },
    }),
    canHave && choose && !isWrong && small(worth(it, one, wanted)),
    canHave && h("s-button", {
      key: "redeem", variant: "secondary", loading: account.busy === one.id, disabled: Boolean(account.busy) || Boolean(isWrong),
      accessibilityLabel: language.t("redeemOne", { reward: name }), onClick: () => account.redeem(one, wanted),
    }, language.t("redeem")));
}

function worth({ account, language }, { choose, currency }, points) {
  const amount = Math.floor(points / choose.points_per_unit) * Number(choose.unit_amount);
  return language.t("chooseWorth", { money: money(language, amount, currency || account.currency) });
}

function code(it, one) {
  const { account, language, offers } = it, name = titleOf(language, one);
  const isDone = account.isApplied(one.code);
  const under = one.code
    ? [...offers.conditions(one, true), one.ends_at && language.t("codeEnds", { date: day(language, one.ends_at) })]
    : [language.t(one.state !== "captured" ? "preparing" : one.kind === "store_credit" ? "creditGiven" : "given")];
  return stack(`code:${one.id}`,
    text(one.code ? `${name}: ${one.code}` : name),
    ...under.filter(Boolean).map((line) => small(line)),
    one.code && (isDone ? small(language.t("checkoutApplied"), { tone: "success" }) : account.canApply(one) && h("s-button", {
      key: "apply", variant: "secondary", loading: account.busy === one.code, disabled: Boolean(account.busy),
      accessibilityLabel: language.t("ofCode", { label: language.t("checkoutApply"), code: one.code }), onClick: () => account.apply(one),
    }, language.t("checkoutApply"))));
}
