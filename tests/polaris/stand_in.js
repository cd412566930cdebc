// A stand-in for Polaris: the elements our pages use, with the attributes, slots, events and part in forms of the real ones.
// FACTS stands in front of it (facts.json); what they do not know is thrown, so that the test fails.

const GLOBAL = /^(id|class|slot|hidden|rel|data-.*|hx-.*)$/;
const BASE = `:host { box-sizing: border-box; } [hidden] { display: none; } * { box-sizing: border-box; font: inherit; }`;

class Polaris extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open", delegatesFocus: true });
  }
  connectedCallback() {
    const known = FACTS[this.localName].attributes;
    const names = new Set(Object.keys(known).map((name) => name.toLowerCase()));
    for (const { name } of this.attributes) {
      if (!names.has(name) && !GLOBAL.test(name)) throw new Error(`<${this.localName}> takes no ${name}`);
    }
    for (const child of this.children) {
      if (child.slot && !FACTS[this.localName].slots.includes(child.slot)) throw new Error(`<${this.localName}> has no slot ${child.slot}`);
    }
    if (!this.shadowRoot.firstChild) this.draw();
    this.show();
  }
  attributeChangedCallback() {
    if (this.shadowRoot.firstChild) this.show();
  }
  draw() {
    this.shadowRoot.innerHTML = `<style>${BASE}${this.constructor.style}</style>${this.constructor.html}`;
  }
  show() {}
  setRole(role) {
    this.internals ??= this.attachInternals();
    this.internals.role = role;
  }
  inner(name) {
    return this.shadowRoot.querySelector(`#${name}`);
  }
  say(name, text) {
    const part = this.inner(name);
    part.textContent = text ?? "";
    part.hidden = !text;
  }
  attr(name) {
    return this.getAttribute(name);
  }
}

const define = (name, html, style, base = Polaris, show = null) => {
  const made = class extends base {
    static observedAttributes = Object.keys(FACTS[name].attributes).map((one) => one.toLowerCase());
    static html = html;
    static style = style;
  };
  if (show) {
    made.prototype.show = function () {
      show(this);
    };
  }
  customElements.define(name, made);
};

// what is read

const card = "padding: 16px; background: #fff; border-radius: 12px; box-shadow: 0 1px 0 #1a1a1a12, 0 0 0 1px #1a1a1a0f;";
const heading = (one) => one.say("heading", one.attr("heading"));
define(
  "s-section",
  `<section><h2 id="heading"></h2><slot></slot></section>`,
  `:host { display: block; } section { ${card} } h2 { margin: 0 0 12px; font-size: 14px; line-height: 1.43; font-weight: 650; color: #1a1a1a; }
   :host([padding="none"]) section { padding: 16px 0 0; overflow: hidden; } :host([padding="none"]) h2 { padding: 0 16px; }`,
  Polaris,
  heading,
);
define(
  "s-banner",
  `<div><strong id="heading"></strong><slot></slot></div>`,
  `:host { display: block; } div { padding: 12px 16px 12px 48px; border-radius: 12px; background: #d5ebff; color: #003a5a; } strong { font-weight: 650; }
   :host([tone="warning"]) div { background: #fff6d1; color: #5e4200; } :host([tone="critical"]) div { background: #fedad9; color: #8e0b21; }`,
  Polaris,
  heading,
);
define(
  "s-page",
  `<div><slot name="breadcrumb-actions"></slot><header><h1 id="heading" dir="auto"></h1><slot name="secondary-actions"></slot><slot name="primary-action"></slot></header>
   <slot></slot><slot name="aside"></slot></div>`,
  `:host { display: block; } div { display: flex; flex-direction: column; gap: 16px; max-width: 998px; margin: 0 auto; padding: 20px 16px 64px; }
   header { display: flex; gap: 16px; align-items: center; } h1 { flex: 1; min-width: 0; margin: 0; font-size: 20px; line-height: 1.2; font-weight: 650; color: #1a1a1a; }`,
  Polaris,
  heading,
);
define(
  "s-badge",
  `<slot></slot>`,
  `:host { display: inline-block; padding: 0 8px; border-radius: 8px; background: #0000000f; color: #616161; font-size: 12px; line-height: 20px; font-weight: 550; white-space: nowrap; }
   :host([tone="success"]) { background: #cdfee1; color: #014b40; } :host([tone="warning"]) { background: #ffef9d; color: #5e4200; }
   :host([tone="critical"]) { background: #fedad9; color: #8e0b21; } :host([tone="info"]) { background: #d5ebff; color: #003a5a; }`,
);
define("s-paragraph", `<slot></slot>`, `:host { display: block; } :host([color="subdued"]) { color: #616161; }`);
define(
  "s-text",
  `<slot></slot>`,
  `:host([accessibilityVisibility="exclusive"]) { position: absolute; clip-path: inset(50%); } :host([color="subdued"]) { color: #616161; }`,
);
define("s-stack", `<slot></slot>`, `:host { display: grid; gap: 16px; grid-template-columns: minmax(0, 1fr); } :host([direction="inline"]) { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }`);
define("s-grid", `<slot></slot>`, `:host { display: grid; gap: 16px; align-items: start; }`, Polaris, (one) => {
  one.style.gridTemplateColumns = one.attr("gridTemplateColumns");
});

// tables; on a phone each row is a list

const narrow = (rules) => `@media (max-width: 560px) { ${rules} }`;
const tableParts = {
  "s-table-header-row": ["row", "display: table-row;", "display: none;"],
  "s-table-header": ["columnheader", "display: table-cell; padding: 8px 16px; background: #f7f7f7; border-block: 1px solid #e3e3e3; color: #616161; font-weight: 550; white-space: nowrap;", ""],
  "s-table-body": ["rowgroup", "display: table-row-group;", "display: block;"],
  "s-table-row": ["row", "display: table-row;", "display: block; padding: 10px 16px; border-bottom: 1px solid #ebebeb;"],
};
define(
  "s-table",
  `<div><slot></slot></div>`,
  `:host { display: block; overflow-x: auto; } div { display: table; width: 100%; border-collapse: collapse; } ${narrow("div { display: block; }")}`,
  Polaris,
  (table) => table.setRole("table"),
);
for (const [name, [role, wide, phone]] of Object.entries(tableParts)) {
  define(name, `<slot></slot>`, `:host { ${wide} } :host([format="numeric"]) { text-align: end; } ${narrow(`:host { ${phone} }`)}`, class extends Polaris {
    show() {
      this.setRole(role);
    }
  });
}
define(
  "s-table-cell",
  `<span id="label" aria-hidden="true"></span><slot></slot>`,
  `:host { display: table-cell; padding: 10px 16px; border-bottom: 1px solid #ebebeb; vertical-align: top; } #label { display: none; }
   ${narrow(":host { display: block; padding: 2px 0; border: 0; } :host(:state(labeled)) { display: flex; justify-content: space-between; flex-wrap: wrap; gap: 4px 16px; } #label { display: inline; color: #616161; } #label[hidden] { display: none; }")}`,
  Polaris,
  (cell) => {
    cell.setRole("cell");
    const place = [...cell.parentElement.children].indexOf(cell);
    const header = cell.closest("s-table")?.querySelectorAll("s-table-header")[place];
    if (header?.getAttribute("format") === "numeric") cell.style.textAlign = "end";
    const isLabeled = header?.getAttribute("listSlot") === "labeled";
    cell.internals.states[isLabeled ? "add" : "delete"]("labeled");
    cell.say("label", isLabeled ? header.textContent.trim() : "");
  },
);

// what is pressed

define(
  "s-link",
  `<a id="a" part="a"><slot></slot></a>`,
  `a { color: #005bd3; text-decoration: none; } a:hover { text-decoration: underline; }`,
  Polaris,
  (link) => {
    link.inner("a").setAttribute("href", link.attr("href"));
    if (link.attr("accessibilityLabel")) link.inner("a").setAttribute("aria-label", link.attr("accessibilityLabel"));
    if (link.attr("target")) link.inner("a").setAttribute("target", link.attr("target"));
  },
);
const pressed = (button) => {
  const other = document.getElementById(button.attr("commandFor"));
  if (other) other[{ "--show": "showOverlay", "--hide": "hideOverlay" }[button.attr("command")]]();
  else if (button.attr("type") === "submit") button.closest("form")?.requestSubmit();
};
define(
  "s-button",
  `<slot></slot>`,
  `:host { display: inline-block; } :is(a, button) { display: inline-block; min-height: 28px; padding: 4px 12px; border: 0; border-radius: 8px; background: #fff; color: #303030;
     box-shadow: 0 -1px 0 #b5b5b5 inset, 0 0 0 1px #00000026 inset; font-weight: 550; text-decoration: none; white-space: nowrap; cursor: pointer; }
   :host([variant="primary"]) :is(a, button) { background: #303030; color: #fff; box-shadow: none; }`,
  class extends Polaris {
    draw() {
      super.draw();
      const pressable = document.createElement(this.attr("href") === null ? "button" : "a");
      pressable.id = "pressable";
      pressable.append(this.shadowRoot.querySelector("slot"));
      if (pressable.localName === "button") {
        pressable.type = "button";
        pressable.addEventListener("click", () => pressed(this));
      }
      this.shadowRoot.append(pressable);
    }
    show() {
      const pressable = this.inner("pressable");
      for (const [from, to] of [["href", "href"], ["target", "target"], ["download", "download"], ["accessibilityLabel", "aria-label"]]) {
        if (this.attr(from) !== null) pressable.setAttribute(to, this.attr(from));
      }
    }
  },
);
define(
  "s-modal",
  `<dialog id="dialog" aria-labelledby="heading"><h2 id="heading"></h2><slot></slot><footer><slot name="secondary-actions"></slot><slot name="primary-action"></slot></footer></dialog>`,
  `dialog { width: min(420px, calc(100vw - 32px)); padding: 20px; border: 0; border-radius: 16px; box-shadow: 0 20px 40px #0000004d; } dialog::backdrop { background: #00000080; }
   h2 { margin: 0 0 12px; font-size: 14px; font-weight: 650; } footer { display: flex; gap: 8px; justify-content: flex-end; margin-top: 20px; }`,
  class extends Polaris {
    draw() {
      super.draw();
      this.inner("dialog").addEventListener("close", () => this.dispatchEvent(new Event("hide")));
    }
    show() {
      heading(this);
    }
    showOverlay() {
      this.inner("dialog").showModal();
      this.dispatchEvent(new Event("show"));
    }
    hideOverlay() {
      this.inner("dialog").close();
    }
  },
);
