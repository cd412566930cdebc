/* Holdfast's storefront widget: <holdfast-widget proxy="/apps/holdfast" locale="en">, one custom element without
   dependencies. This file is what the page loads, deferred; once the page is loaded and idle it asks the app for the
   shopper's points and fetches view.js, which draws them. It takes no room in the page and stays empty when the app is away.
   Attributes: proxy, locale, root (the shop's root; else taken from proxy), login (address to sign in).
   Colours and shape: --holdfast-accent, -on-accent, -highlight, -surface, -text, -muted, -line, -radius, -font, -offset. */
(() => {
  "use strict";
  if (customElements.get("holdfast-widget")) return;

  const SCRIPT = document.currentScript ? document.currentScript.src : location.href;
  const LANGUAGES = ["de"]; // message files beside this script, besides the English built in
  const RIGHT_TO_LEFT = ["ar", "fa", "he", "ur"];
  const TIMEOUT = 8000, REFRESH = 30000, POLL_FIRST = 2000, POLL_MOST = 30000; // milliseconds
  const CHECKOUT = /\/(checkouts?|orders|thank[-_]you)(\/|\?|$)/, AFTER_ORDER = [1000, 2000, 4000, 8000, 15000];

  // locales/en.json, built in so that English needs no second request; a test keeps the two equal
  const ENGLISH = {
    "rewards": "Rewards",
    "launcher": "Rewards, {points}",
    "close": "Close rewards",
    "balance": "Your balance",
    "points.one": "{count} point",
    "points.other": "{count} points",
    "unit.one": "point",
    "unit.other": "points",
    "pending": "{points} on the way",
    "held": "{points} set aside for a code",
    "behind": "Updates are on their way.",
    "asOf": "As of {time}.",
    "next": "{points} to {reward}",
    "enough": "You have enough for {reward}",
    "welcome": "Earn points with every order and turn them into money off.",
    "signIn": "Sign in to see your points",
    "codes": "Your codes",
    "redeemList": "Redeem your points",
    "rewardList": "What points get you",
    "earnList": "Ways to earn",
    "noRewards": "There are no rewards at the moment.",
    "redeem": "Redeem",
    "redeemOne": "Redeem {reward}",
    "off": "{money} off",
    "toGo": "{points} to go",
    "ask": "Use {points} for {reward}?",
    "confirm": "Get my code",
    "retry": "Try again",
    "cancel": "Not now",
    "busy": "One moment…",
    "preparing": "Your code is being prepared. Your points are set aside for it.",
    "ready": "Your code is ready: {code}",
    "copy": "Copy",
    "copyCode": "Copy code {code}",
    "copied": "Copied",
    "copyFailed": "Select the code and copy it by hand.",
    "apply": "Apply to cart",
    "applyCode": "Apply code {code} to cart",
    "applied": "Applied. You will see it at checkout.",
    "applyFailed": "It could not be applied. Enter the code at checkout.",
    "earn.order.one": "{count} point for every {money} you spend",
    "earn.order.other": "{count} points for every {money} you spend",
    "earn.later.one": "Points are yours {count} day after the order.",
    "earn.later.other": "Points are yours {count} days after the order.",
    "error.insufficient_points": "You do not have enough points for this reward.",
    "error.rate_limited": "That was too often. Please wait a moment and try again.",
    "error.unknown_reward": "This reward is no longer offered.",
    "error.refused": "This reward could not be redeemed. Your points are back in your balance.",
    "error.sign_in": "Please sign in again to use your points.",
    "error.conflict": "The reward has changed meanwhile. Please look at it again.",
    "error.unavailable": "That did not work just now. Your points are safe; please try again."
  };


  const whenIdle = (work) => {
    const idle = () => (window.requestIdleCallback ? requestIdleCallback(work, { timeout: 3000 }) : setTimeout(work, 300));
    if (document.readyState === "complete") idle();
    else addEventListener("load", idle, { once: true });
  };

  // a shopper sees nothing of what fails; a developer who asks for debug messages does
  const hush = (error) => console.debug("holdfast:", error);

  const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

  // A key lives until its redemption has an answer, also over a reload: asked twice, it is still one redemption.
  const kept = {
    at: (name) => { try { return sessionStorage.getItem(name); } catch { return null; } },
    put: (name, value) => { try { sessionStorage.setItem(name, value); } catch { /* private mode: memory only */ } },
    drop: (name) => { try { sessionStorage.removeItem(name); } catch { /* the same */ } },
  };

  const isMe = (me) => me && me.points && Array.isArray(me.rewards) && Array.isArray(me.ways_to_earn) && Array.isArray(me.notices);

  class HoldfastWidget extends HTMLElement {
    connectedCallback() {
      if (this.view || this.isStarting) return;
      this.isStarting = true;
      whenIdle(() => this.start());
    }

    disconnectedCallback() {
      clearTimeout(this.timer);
    }

    async start() {
      this.proxy = (this.getAttribute("proxy") || "/apps/holdfast").replace(/\/+$/, "");
      this.root = (this.getAttribute("root") ?? this.proxy.replace(/\/[^/]+\/[^/]+$/, "")).replace(/\/+$/, "");
      this.keys = new Map();
      this.applied = new Map(); // code → busy | applied | failed
      this.turn = 0;
      const parts = [this.load(), import(new URL("view.js", SCRIPT)).catch(hush), this.speak()];
      const [isLoaded, drawing] = await Promise.all(parts);
      this.isStarting = false;
      if (!isLoaded || !drawing || !this.isConnected) return;
      this.view = new drawing.View(this);
      if (CHECKOUT.test(document.referrer)) this.follow(AFTER_ORDER);
    }

    /** Straight from the checkout the points of the order are on their way: look for them until they are there. */
    follow([pause, ...later]) {
      const { available, pending } = this.me.points;
      this.timer = setTimeout(async () => {
        if (!this.busy && !this.view.isOpen && (await this.load())) this.view.render();
        const isSame = available === this.me.points.available && pending === this.me.points.pending;
        if (isSame && later.length && this.isConnected && !this.view.isOpen) this.follow(later);
      }, pause);
    }

    // -- language

    async speak() {
      let locale = this.getAttribute("locale") || document.documentElement.lang || "en";
      try { locale = Intl.getCanonicalLocales(locale)[0]; } catch { locale = "en"; }
      const language = locale.split("-")[0];
      this.messages = ENGLISH;
      if (LANGUAGES.includes(language)) {
        try {
          const answer = await fetch(new URL(`locales/${language}.json`, SCRIPT), { signal: AbortSignal.timeout(TIMEOUT) });
          if (answer.ok) this.messages = { ...ENGLISH, ...(await answer.json()) };
        } catch (error) { hush(error); } // English stays
      }
      this.language = this.messages === ENGLISH ? "en" : language; // of the words, which may not be the page's
      this.direction = RIGHT_TO_LEFT.includes(this.language) ? "rtl" : "ltr";
      this.locale = this.language === language ? locale : "en";
      this.plural = new Intl.PluralRules(this.locale);
      this.number = new Intl.NumberFormat(this.locale);
    }

    t(key, values = {}) {
      return (this.messages[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
    }

    count(key, count, values = {}) {
      const form = `${key}.${this.plural.select(count)}`;
      return this.t(form in this.messages ? form : `${key}.other`, { count: this.number.format(count), ...values });
    }

    points(count) {
      return this.count("points", count);
    }

    money(amount, currency, more = {}) {
      try {
        const style = { style: "currency", currency, ...more };
        return new Intl.NumberFormat(this.locale, style).format(Number(amount));
      } catch { return `${amount} ${currency}`; }
    }

    /** A reward as the app names it unless the merchant did ("5.00 off") is said in the shopper's words. */
    reward(title) {
      const [, amount] = /^(\d+\.\d\d) off$/.exec(title) || [];
      const currency = this.me.ways_to_earn[0]?.currency;
      return amount && currency ? this.t("off", { money: this.money(amount, currency) }) : title;
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
        const { status, body } = await this.ask("/me");
        if (status === 200 && isMe(body)) me = body;
      } catch (error) { hush(error); } // away: the last known stays, marked
      if (turn !== this.turn) return false; // something newer is known by now
      this.isBehind = !me;
      if (me) this.me = me;
      return Boolean(me);
    }

    async refresh() {
      clearTimeout(this.timer);
      const waiting = this.held().map((one) => one.id);
      await this.load();
      const ready = this.codes().find((one) => waiting.includes(one.id));
      this.view.render();
      if (ready) this.view.say(this.t("ready", { code: ready.code }));
      this.plan();
    }

    codes() {
      return (this.me.redemptions || []).filter((one) => one.state === "captured" && one.code);
    }

    held() {
      return (this.me.redemptions || []).filter((one) => one.state === "held");
    }

    // while the panel is open: a code being prepared is asked for with growing pauses, else now and then
    plan() {
      clearTimeout(this.timer);
      if (!this.view.isOpen || !this.isConnected) return;
      this.pause = this.held().length ? Math.min((this.pause || POLL_FIRST / 2) * 2, POLL_MOST) : 0;
      this.timer = setTimeout(() => (document.hidden || this.busy ? this.plan() : this.refresh()), this.pause || REFRESH);
    }

    async redeem(reward) {
      if (this.busy) return; // a double click
      this.busy = reward.id;
      this.problem = null;
      this.view.render("confirm");
      const name = `holdfast:${this.proxy}:${this.me.customer_id}:${reward.id}`;
      const key = this.keys.get(name) || kept.at(name) || newKey();
      this.keys.set(name, key);
      kept.put(name, key);
      let answer = null;
      try {
        const body = JSON.stringify({ reward_id: reward.id, idempotency_key: key });
        answer = await this.ask("/redemptions", { method: "POST", body });
      } catch (error) { hush(error); } // unknown: asked again with the same key it is still one redemption
      const isUnsure = !answer || answer.status >= 500 || answer.status === 429;
      if (!isUnsure) {
        this.keys.delete(name);
        kept.drop(name);
      }
      this.busy = null;
      this.turn++; // an answer to an older question says nothing any more
      if (answer && answer.body.points) this.me.points = answer.body.points;
      const redemption = answer && answer.status < 300 && answer.body.redemption;
      if (!redemption) return this.refuse(reward, answer);
      this.asking = null;
      this.me.redemptions = [redemption, ...(this.me.redemptions || []).filter((one) => one.id !== redemption.id)];
      this.pause = 0;
      this.view.render(`code:${redemption.id}`);
      this.view.say(redemption.code ? this.t("ready", { code: redemption.code }) : this.t("preparing"));
      this.plan();
    }

    refuse(reward, answer) {
      const code = answer && answer.body.error && answer.body.error.code;
      this.problem = { id: reward.id, text: this.t(`error.${code}` in this.messages ? `error.${code}` : "error.unavailable") };
      this.view.render("confirm");
    }

    async copy(code, field) {
      try {
        await navigator.clipboard.writeText(code);
      } catch {
        getSelection().selectAllChildren(field);
        if (!document.execCommand("copy")) return this.view.say(this.t("copyFailed"));
      }
      this.copied = code;
      this.view.render();
      this.view.say(this.t("copied"));
    }

    async apply(code) {
      if (["busy", "applied"].includes(this.applied.get(code))) return;
      this.applied.set(code, "busy");
      this.view.render();
      let isApplied = false;
      try {
        // the shop answers with a redirect that carries the cookie; where it leads need not be loaded
        const options = { redirect: "manual", credentials: "same-origin", signal: AbortSignal.timeout(TIMEOUT) };
        const answer = await fetch(`${this.root}/discount/${encodeURIComponent(code)}`, options);
        isApplied = answer.ok || answer.type === "opaqueredirect";
      } catch (error) { hush(error); } // said below
      this.applied.set(code, isApplied ? "applied" : "failed");
      this.view.render();
      this.view.say(this.t(isApplied ? "applied" : "applyFailed"));
      if (isApplied) this.dispatchEvent(new CustomEvent("holdfast:applied", { bubbles: true, composed: true, detail: { code } }));
    }
  }

  customElements.define("holdfast-widget", HoldfastWidget);
})();
