/* Runs a checkout extension: the elements it may draw, and the parts of the checkout it may reach. */

const { base, extension } = document.querySelector("script[data-extension]").dataset;

const SHARED = `:host { display: block; } :host([hidden]) { display: none; }`;
// each element: what it looks like, and what its properties do to that
const ELEMENTS = {
  "s-section": {
    html: `<style>${SHARED} section { border: 1px solid #dedee6; border-radius: 10px; padding: 16px; } h2 { margin: 0 0 12px; font-size: 1.15em; }</style>
      <section><h2></h2><slot></slot></section>`,
    draw: (root, { heading }) => { root.querySelector("h2").textContent = heading ?? ""; },
  },
  "s-stack": {
    html: `<style>:host { display: flex; flex-direction: column; align-items: start; }</style><slot></slot>`,
    draw: (root, { gap }) => { root.host.style.gap = gap === "base" ? "18px" : "6px"; },
  },
  "s-heading": { html: `<style>${SHARED} h3 { margin: 0; font-size: 1em; }</style><h3><slot></slot></h3>`, draw: () => {} },
  "s-text": {
    html: `<style>${SHARED}</style><slot></slot>`,
    draw: (root, { color, tone, type }) => {
      root.host.style.color = tone === "success" ? "#14663a" : color === "subdued" ? "#5f6070" : "";
      root.host.style.fontSize = type === "small" ? ".9em" : "";
      root.host.style.fontWeight = type === "strong" ? "600" : "";
    },
  },
  "s-banner": {
    html: `<style>${SHARED} div { border-radius: 8px; padding: 10px 12px; background: #eef3ff; } .critical { background: #fde8e6; } .warning { background: #fff3d6; } .success { background: #e3f4ea; }</style>
      <div role="status"><slot></slot></div>`,
    draw: (root, { tone }) => {
      const box = root.querySelector("div");
      box.className = tone ?? "";
      box.setAttribute("role", tone === "critical" ? "alert" : "status");
    },
  },
  "s-button": {
    html: `<style>:host { display: inline-block; } button { font: inherit; min-height: 36px; padding: 0 14px; border: 1px solid #8c8c9a; border-radius: 8px; background: #fff; color: inherit; cursor: pointer; } button:disabled { opacity: .6; }</style>
      <button type="button"><slot></slot></button>`,
    draw: (root, { accessibilityLabel, disabled, loading }) => {
      const button = root.querySelector("button");
      button.disabled = Boolean(disabled || loading);
      button.ariaBusy = String(Boolean(loading));
      button.ariaLabel = accessibilityLabel ?? null;
    },
  },
  "s-number-field": {
    html: `<style>${SHARED} label { display: grid; gap: 4px; } input { font: inherit; padding: 6px 8px; } small { color: #b3261e; }</style>
      <label><span></span><input type="number"></label><small role="alert"></small>`,
    draw: (root, { error, label, max, min, step, value }) => {
      const input = root.querySelector("input");
      Object.assign(input, { max: max ?? "", min: min ?? "", step: step ?? "" });
      if (input.value !== value) input.value = value ?? "";
      root.querySelector("span").textContent = label ?? "";
      root.querySelector("small").textContent = error ?? "";
      input.onchange = () => { root.host.value = input.value; root.host.dispatchEvent(new Event("change")); };
    },
  },
};
const PROPERTIES = ["accessibilityLabel", "color", "disabled", "error", "gap", "heading", "label", "loading", "max", "min", "step", "tone", "type", "value", "variant"];

for (const [name, { html, draw }] of Object.entries(ELEMENTS)) {
  class Element extends HTMLElement {
    constructor() {
      super();
      this.known = {};
      this.attachShadow({ mode: "open", delegatesFocus: true }).innerHTML = html;
    }

    connectedCallback() { draw(this.shadowRoot, this.known); }
  }
  for (const property of PROPERTIES) {
    Object.defineProperty(Element.prototype, property, {
      get() { return this.known[property]; },
      set(value) { this.known[property] = value; draw(this.shadowRoot, this.known); },
    });
  }
  customElements.define(name, Element);
}

const signal = (value) => {
  const heard = new Set();
  return {
    get value() { return value; },
    set(next) { value = next; heard.forEach((one) => one(value)); },
    subscribe(one) { heard.add(one); return () => heard.delete(one); },
  };
};

const json = async (path) => (await fetch(base + path)).json();
const discountCodes = signal([]);

/** The checkout as it is now; the page around draws what the order costs. */
async function look() {
  const found = await json("/checkout/codes");
  discountCodes.set(found.codes.map((code) => ({ code })));
  return found;
}

async function enter(code, field = "code") {
  await fetch(`${base}/codes`, { method: "POST", body: new URLSearchParams({ [field]: code }), redirect: "manual" });
  return look();
}

async function apply(code) {
  const { codes, cards, why } = await enter(code);
  const isIn = [...codes, ...cards].some((one) => one.toLowerCase() === code.toLowerCase());
  if (!isIn) await enter(code, "remove");
  parent.postMessage("checkout changed", location.origin);
  return isIn ? { type: "success" } : { type: "error", message: why };
}

globalThis.shopify = {
  sessionToken: { get: async () => (await json("/checkout/session-token")).token },
  localization: { language: { value: { isoCode: document.documentElement.lang } } },
  instructions: { value: { discounts: { canUpdateDiscountCodes: true } } },
  discountCodes,
  applyDiscountCodeChange: ({ code }) => apply(code),
  applyGiftCardChange: ({ code }) => apply(code),
};

await look();
new ResizeObserver(() => { if (frameElement) frameElement.style.height = `${document.body.scrollHeight}px`; }).observe(document.body);
await (await import(extension)).default();
