/* The shopper's referral link: what friends get, how far it is, and ways to share it. */

import { apart } from "./writing.js";

const DEVICE = "holdfast-device";

/** A name of this browser that says nothing of it: whoever invites themselves is known by it, as on the landing page. */
function device() {
  try {
    const known = localStorage.getItem(DEVICE) || crypto.randomUUID();
    localStorage.setItem(DEVICE, known);
    return known;
  } catch { return ""; } // private mode
}

export class Sharing {
  constructor(view, tools) {
    this.view = view;
    this.widget = view.widget;
    this.tools = tools;
    this.isBusy = this.hasFailed = false;
  }

  /** The link as it is, or as it last was in this window: it stays good while the part that makes them is away. */
  link() {
    const { widget } = this, { referral } = widget.me, name = `holdfast:${widget.proxy}:${widget.me.customer_id}:link`;
    const url = /^https?:\/\//.test(referral?.url) ? referral.url : "";
    try {
      if (url) sessionStorage.setItem(name, url);
      return url || (widget.isSignedIn && sessionStorage.getItem(name)) || "";
    } catch { return url; } // private mode
  }

  draw() {
    const { h } = this.tools, { widget } = this, { referral } = widget.me;
    const link = this.link(), friend = this.said(referral?.offer?.friend), advocate = this.said(referral?.offer?.advocate);
    this.wasOffered ||= Boolean(friend || advocate);
    if (!link && !this.wasOffered && referral?.status !== "queued") return []; // nothing is offered
    const offer = [friend && widget.t("referralFriend", { offer: apart(friend) }), advocate && widget.t(referral.offer.order_number > 1 ? "referralYouSecond" : "referralYou", { offer: apart(advocate) })].filter(Boolean);
    return [h("li", { class: "coupon" }, offer.length > 0 && this.view.what(widget.t("referralOffer"), ...offer), this.state(link, referral, friend))];
  }

  /** An offer as the app says it by itself in the shopper's words; the merchant's own stay. */
  said(offer) {
    const { widget } = this;
    const [, off, least] = /^(\S+) off your first order(?: of (\S+) or more)?$/.exec(offer || "") || [];
    if (off) return widget.t(least ? "offerFriendFrom" : "offerFriend", { off, least });
    const [, points] = /^([\d,]+) points?$/.exec(offer || "") || [];
    return points ? widget.points(Number(points.replaceAll(",", ""))) : offer;
  }

  state(link, referral, friend) {
    const { h, icon, CLOCK, once } = this.tools, { widget } = this;
    if (link) return [this.shown(link), this.share(link, friend), this.counts(referral?.counts)];
    if (!widget.isSignedIn) return h("small", { class: "wide" }, widget.t("referralSignIn"));
    if (referral?.status === "queued") return h("p", { class: "row wide", tabindex: "-1", "data-key": "link" }, icon(CLOCK), h("span", { class: "what" }, widget.t("referralQueued")));
    if (!referral?.offer) return h("small", { class: "wide" }, widget.t("referralAway"));
    return [h("button", { class: "main", type: "button", "data-key": "link", "aria-disabled": this.isBusy ? "true" : null, onclick: once(() => this.ask()) },
      widget.t(this.isBusy ? "busy" : "referralGet")), this.hasFailed && h("p", { class: "problem wide", role: "alert" }, widget.t("error.unavailable"))];
  }

  shown(link) {
    const { h, once } = this.tools, { widget } = this, { acts } = this.view;
    const field = h("span", { class: "code link-text", dir: "ltr", tabindex: "-1", "data-key": "link" }, link);
    return h("div", { class: "row wide" }, h("div", { class: "what" }, h("small", {}, widget.t("referralLink")), field),
      h("button", { class: "plain", type: "button", "data-key": "link:copy", "aria-label": `${widget.t(acts.copied === link ? "copied" : "copy")}: ${widget.t("referralLink")}`, onclick: once(() => { acts.copy(link, field); this.tell("copy"); }) },
        widget.t(acts.copied === link ? "copied" : "copy")));
  }

  share(link, friend) {
    const { h, once } = this.tools, { widget } = this;
    const text = friend ? widget.t("shareText", { offer: apart(friend) }) : widget.t("shareSubject");
    const [url, both, said, subject] = [link, `${text} ${link}`, text, widget.t("shareSubject")].map(encodeURIComponent);
    const places = { mail: `mailto:?subject=${subject}&body=${both}`, WhatsApp: `https://wa.me/?text=${both}`, X: `https://twitter.com/intent/tweet?text=${said}&url=${url}`, Facebook: `https://www.facebook.com/sharer/sharer.php?u=${url}` };
    const ways = Object.entries(places).map(([name, href]) => {
      const label = name === "mail" ? widget.t("shareMail") : name;
      const elsewhere = href.startsWith("https:") ? { target: "_blank", rel: "noopener noreferrer" } : {};
      return h("a", { class: "plain go", href, ...elsewhere, "data-key": `share:${name}`, "aria-label": widget.t("shareBy", { label }), onclick: () => this.tell(name.toLowerCase()) }, label);
    });
    const native = navigator.share && h("button", { class: "plain", type: "button", "data-key": "share:native", onclick: once(() => this.tell("native") || navigator.share({ title: widget.t("shareSubject"), text, url: link }).catch(this.tools.hush)) }, widget.t("shareNative"));
    return h("div", { class: "row wide", role: "group", "aria-label": widget.t("share") }, ways, native);
  }

  counts(counts) {
    const { h } = this.tools, { widget } = this;
    if (!counts || !(counts.waiting || counts.completed)) return null;
    const said = [["completed", "referralDone"], ["waiting", "referralWaiting"]].filter(([name]) => counts[name] > 0).map(([name, key]) => widget.count(key, counts[name]));
    return said.map((text) => h("small", { class: "wide" }, text));
  }

  /** That a link was shared, told of who agreed to it alone. */
  tell(channel) {
    const { widget } = this;
    import("./consent.js").then((it) => it.agreed())
      .then((isAgreed) => isAgreed && widget.ask("/referral-clicks", { method: "POST", body: JSON.stringify({ channel, consent: true }), keepalive: true }))
      .catch(this.tools.hush);
  }

  async ask() {
    const { widget } = this;
    if (this.isBusy) return;
    this.isBusy = true;
    this.hasFailed = false;
    widget.render("link");
    let answer = null;
    try {
      answer = await widget.ask("/referral-link", { method: "POST", body: JSON.stringify({ device: device() }) });
    } catch (error) { this.tools.hush(error); } // said below
    this.isBusy = false;
    this.hasFailed = !answer || answer.status >= 300;
    if (!this.hasFailed) widget.me.referral = { ...widget.me.referral, ...(answer.body.referral || answer.body) };
    widget.render("link");
    if (!this.hasFailed) this.view.say(widget.t(this.link() ? "referralReady" : "referralQueued"));
  }
}
