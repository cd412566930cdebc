/* The widget with made-up figures, for the page where a merchant chooses how it looks: it asks nobody, and takes the look
   and the texts that page sends while they are typed. With #open in the address its panel stands open. */
"use strict";

(() => {
  const CODE = { id: "c1", state: "captured", code: "HF-PREVIEW", title: "5.00 off", points: 100, kind: "amount_off", currency: "USD", ends_at: null };
  const me = {
    customer_id: "preview", points: { available: 240, pending: 40, held: 0, debt: 0, as_of: null, source: "live", sequence: 1 },
    tier: { id: "1", name: "Silver", icon: "🥈", next: { name: "Gold", measure: "points", have: 240, want: 500 }, keeps: null, perks: ["1.25×"] }, tiers: [],
    rewards: [
      { id: "1", kind: "amount_off", title: "", text: "", icon: "", cost: 100, amount_off: "5.00", currency: "USD", conditions: { minimum_subtotal: "20" }, choose: null, can_redeem: true },
      { id: "2", kind: "percent_off", title: "", text: "", icon: "", cost: 400, amount_off: null, percent_off: "20", currency: "USD", conditions: null, choose: null, can_redeem: false },
    ],
    ways_to_earn: [{ kind: "order", points: "1", per: "1", currency: "USD", pending_days: 0 }, { kind: "account", id: "a", title: "", points: 50, state: "done" }],
    campaigns: [], birthday: null, codes: [CODE], codes_next: "", redemptions: [], coming: [], ending: [], notices: [], appearance: null, texts: {},
    referral: { url: "https://example.com/r/7K2M", status: "ready", offer: { friend: "10 %", advocate: "" }, counts: { waiting: 0, completed: 1 } },
  };
  const answer = (body, status = 200) => new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
  const fetched = window.fetch;
  window.fetch = async (address, options) => {
    const path = String(address);
    if (!path.startsWith("/preview")) return fetched(address, options);
    if (path.startsWith("/preview/me")) return answer(me);
    if (path.startsWith("/preview/history")) return answer({ history: [], next: "" });
    return answer({ error: { code: "unavailable", message: "This is a preview." } }, 503); // nothing is redeemed here
  };

  // a merchant is typing in the page around this frame: nothing in here takes the focus from there
  const { focus } = HTMLElement.prototype;
  HTMLElement.prototype.focus = function (...options) { if (document.hasFocus()) focus.apply(this, options); };
  HTMLDialogElement.prototype.showModal = function () { this.setAttribute("open", ""); };

  let widget = null, opening = location.hash === "#open";
  /** The widget in a language; the old one makes room for it. */
  const speak = (language) => {
    widget?.remove();
    widget = document.createElement("holdfast-widget");
    widget.setAttribute("proxy", "/preview");
    widget.setAttribute("page", "home");
    widget.setAttribute("locale", language);
    document.body.append(widget);
    opening = location.hash === "#open";
    const shown = setInterval(() => {
      if (!widget.shadow) return;
      clearInterval(shown);
      if (opening) widget.open();
    }, 50);
  };
  addEventListener("message", ({ origin, data }) => {
    if (origin !== location.origin || !data || typeof data !== "object") return;
    if (data.look) me.appearance = { ...data.look, hidden: [] };
    if (data.texts) me.texts = data.texts;
    if (data.language && data.language !== widget?.getAttribute("locale")) return speak(data.language);
    if (!widget?.shadow) return;
    widget.me = { ...widget.me, appearance: me.appearance, texts: me.texts };
    widget.render();
  });
  addEventListener("DOMContentLoaded", () => {
    speak("en");
    parent.postMessage("holdfast:preview", location.origin);
  });
})();
