/* What a shopper does in the panel: turn points into a code, copy it, put it into the cart. */

const REST = 700; // milliseconds after a redemption: the clicks of somebody impatient are for what was there before it

const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

// A key lives until its redemption has an answer, also over a reload: asked twice, it is still one redemption.
const kept = {
  at: (name) => { try { return sessionStorage.getItem(name); } catch { return null; } },
  put: (name, value) => { try { sessionStorage.setItem(name, value); } catch { /* private mode: memory only */ } },
  drop: (name) => { try { sessionStorage.removeItem(name); } catch { /* the same */ } },
};

export class Acts {
  constructor(widget, tools) {
    this.widget = widget;
    this.tools = tools;
    this.keys = new Map(); // of wishes without an answer yet
    this.answers = new Map(); // how many each wish had
    this.applied = new Map(); // code → busy | applied | failed
    this.asking = null; // the reward that waits for a yes
    this.amount = null; // how many points, where they are chosen
    this.busy = null; // the one being asked for
    this.problem = null; // {id, text}: why it came to nothing
  }

  /** The key of a wish: one without an answer keeps its own, also over a reload. Else it says what the shopper saw, so
      that all open widgets that show the same balance ask for the same redemption. */
  key(reward, name, points) {
    const { widget } = this;
    const { sequence } = widget.me.points;
    const seen = sequence == null ? null : `widget-${reward.id}${points === null ? "" : `.${points}`}-${sequence}`;
    const answers = this.answers.get(seen);
    return this.keys.get(name) || kept.at(name) || (seen ? seen + (answers ? `-${answers}` : "") : newKey());
  }

  /** Turn points into a reward: `points` of them where the shopper chooses how many. */
  async redeem(reward, points = null) {
    const { widget } = this;
    if (this.busy || this.isResting) return; // clicked again
    this.busy = reward.id;
    this.problem = null;
    widget.render("confirm");
    const name = `holdfast:${widget.proxy}:${widget.me.customer_id}:${reward.id}${points === null ? "" : `:${points}`}`;
    const key = this.key(reward, name, points);
    this.keys.set(name, key);
    kept.put(name, key);
    let answer = null;
    try {
      const body = JSON.stringify({ reward_id: reward.id, idempotency_key: key, ...(points === null ? {} : { points }) });
      answer = await widget.ask("/redemptions", { method: "POST", body });
    } catch (error) { this.tools.hush(error); } // unknown: asked again with the same key it is still one redemption
    const isUnsure = !answer || answer.status >= 500 || answer.status === 429;
    if (!isUnsure) {
      this.keys.delete(name);
      kept.drop(name);
      const seen = key.split("-").slice(0, 3).join("-");
      this.answers.set(seen, (this.answers.get(seen) || 0) + 1);
    }
    this.busy = null;
    widget.turn++; // an answer to an older question says nothing any more
    if (answer && answer.body.points) widget.me.points = { ...widget.me.points, ...answer.body.points };
    const redemption = answer && answer.status < 300 && answer.body.redemption;
    if (!redemption) return this.refuse(reward, answer);
    this.asking = null;
    this.isResting = true;
    setTimeout(() => { this.isResting = false; widget.render(); }, REST);
    for (const list of ["redemptions", "codes"]) widget.me[list] = [redemption, ...(widget.me[list] || []).filter((one) => one.id !== redemption.id)];
    widget.pause = 0;
    widget.render(`code:${redemption.id}`);
    widget.view.say(redemption.code ? widget.t("ready", { code: redemption.code }) : widget.t(redemption.state === "captured" ? "given" : "preparing"));
    widget.view.plan();
  }

  refuse(reward, answer) {
    const { widget } = this;
    this.problem = { id: reward.id, text: widget.view.reason(answer) };
    widget.render("confirm");
  }

  async copy(code, field) {
    const { widget } = this;
    try {
      await navigator.clipboard.writeText(code);
    } catch {
      getSelection().selectAllChildren(field);
      if (!document.execCommand("copy")) return widget.view.say(widget.t("copyFailed"));
    }
    this.copied = code;
    widget.render();
    widget.view.say(widget.t("copied"));
  }

  async apply(code) {
    const { widget } = this;
    if (["busy", "applied"].includes(this.applied.get(code))) return;
    this.applied.set(code, "busy");
    widget.render();
    let isApplied = false;
    try {
      // the shop answers with a redirect that carries the cookie; where it leads need not be loaded
      const options = { redirect: "manual", credentials: "same-origin", signal: AbortSignal.timeout(this.tools.TIMEOUT) };
      const answer = await fetch(`${widget.root}/discount/${encodeURIComponent(code)}`, options);
      isApplied = answer.ok || answer.type === "opaqueredirect";
    } catch (error) { this.tools.hush(error); } // said below
    this.applied.set(code, isApplied ? "applied" : "failed");
    widget.render();
    widget.view.say(widget.t(isApplied ? "applied" : "applyFailed"));
    if (isApplied) widget.dispatchEvent(new CustomEvent("holdfast:applied", { bubbles: true, composed: true, detail: { code } }));
  }
}
