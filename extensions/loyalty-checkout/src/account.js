/* The shopper's account as the app tells it, and what is done with it: turning points into a code, and the code into money
   off this order. */

const TIMEOUT = 8000, PAUSE = 1500; // milliseconds
const ASKED_FOR_A_CODE_MAX = 8;

const pause = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

export class Account {
  constructor(shopify, language, root, drawn) {
    this.shopify = shopify;
    this.language = language;
    this.root = root.replace(/\/$/, "");
    this.drawn = drawn;
    this.me = null;
    this.busy = null; // the reward being asked for, or the code being applied
    this.said = null; // {tone, text}: what came of the last act
    this.keys = new Map(); // of wishes without an answer yet
    this.answers = new Map(); // how many each wish had
  }

  /** The currency of the shop, where what is shown names none. */
  get currency() {
    return [...this.me.ways_to_earn, ...this.me.rewards].find((one) => one.currency)?.currency || "USD";
  }

  /** `{status, body}`, or null where the app is away. The token is asked for each time: it lives for minutes. */
  async ask(path, sent) {
    try {
      const token = await this.shopify.sessionToken.get();
      const headers = { Accept: "application/json", Authorization: `Bearer ${token}`, ...(sent ? { "Content-Type": "application/json" } : {}) };
      const options = sent ? { method: "POST", body: JSON.stringify(sent) } : {};
      const answer = await fetch(`${this.root}/checkout${path}`, { headers, signal: AbortSignal.timeout(TIMEOUT), ...options });
      return { status: answer.status, body: await answer.json() };
    } catch (error) {
      console.debug("holdfast:", error); // a shopper sees nothing of what fails
      return null;
    }
  }

  async load() {
    // that a checkout was opened is told once, and of who agreed to it alone
    const isAgreed = !this.me && this.shopify.customerPrivacy?.value?.allowedProcessing?.analytics;
    const answer = await this.ask(`/me?lang=${this.language.spoken}${isAgreed ? "&consent=1" : ""}`);
    if (answer?.status === 200 && Array.isArray(answer.body.rewards)) {
      this.me = { ...answer.body, ways_to_earn: answer.body.ways_to_earn || [] };
      this.language.me = this.me;
    }
    this.drawn();
  }

  say(tone, key, values) {
    this.said = key && { tone, text: this.language.t(key, values) };
    this.drawn();
  }

  /** A wish without an answer keeps its key: asked twice, it is still one redemption. */
  key(reward, points) {
    const { sequence } = this.me.points;
    const wish = `checkout-${reward.id}${points === null ? "" : `.${points}`}-${sequence ?? crypto.randomUUID()}`;
    const asked = this.answers.get(wish);
    return [wish, asked ? `${wish}-${asked}` : wish];
  }

  async redeem(reward, points) {
    if (this.busy) return;
    this.busy = reward.id;
    this.say(null, null);
    const name = `${reward.id}:${points}`;
    const [wish, key] = this.keys.get(name) || this.key(reward, points);
    this.keys.set(name, [wish, key]);
    const answer = await this.ask("/redemptions", { reward_id: reward.id, idempotency_key: key, ...(points === null ? {} : { points }) });
    if (answer && answer.status < 500 && answer.status !== 429) {
      this.keys.delete(name);
      this.answers.set(wish, (this.answers.get(wish) || 0) + 1);
    }
    const redemption = answer && answer.status < 300 ? answer.body.redemption : null;
    if (redemption) await this.made(redemption);
    this.busy = null;
    if (redemption) return this.drawn();
    const problem = `error.${answer?.body.error?.code}`;
    this.say("critical", problem in this.language.messages ? problem : "error.unavailable");
  }

  /** Its code goes into this order as soon as there is one. */
  async made(redemption) {
    let found = redemption;
    for (let asked = 0; !found.code && found.state === "held" && asked < ASKED_FOR_A_CODE_MAX; asked++) {
      await pause(PAUSE);
      await this.load();
      found = (this.me.codes || []).find((one) => one.id === redemption.id) || found;
    }
    await this.load();
    if (found.code && this.canApply(found)) await this.put(found);
    else this.say("success", found.code ? "ready" : found.state === "held" ? "preparing" : found.kind === "store_credit" ? "creditGiven" : "given", { code: found.code });
  }

  // -- codes

  isApplied(code) {
    return Boolean(code) && (this.shopify.discountCodes?.value || []).some((one) => one.code === code);
  }

  /** Not on the thank-you page, and not where the order's codes are somebody else's. */
  canApply({ kind }) {
    const { shopify } = this;
    if (kind === "gift_card") return Boolean(shopify.applyGiftCardChange);
    return Boolean(shopify.applyDiscountCodeChange) && shopify.instructions?.value.discounts.canUpdateDiscountCodes !== false;
  }

  async apply(one) {
    if (this.busy) return;
    this.busy = one.code;
    this.drawn();
    await this.put(one);
    this.busy = null;
    this.drawn();
  }

  async put({ code, kind }) {
    const { shopify } = this;
    const change = kind === "gift_card" ? shopify.applyGiftCardChange({ type: "addGiftCard", code }) : shopify.applyDiscountCodeChange({ type: "addDiscountCode", code });
    const { type } = await change.catch((error) => { console.debug("holdfast:", error); return { type: "error" }; });
    if (type === "success") this.say("success", "checkoutApplied");
    else this.say("warning", "checkoutFailed", { code });
  }
}
