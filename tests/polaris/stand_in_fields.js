// What is typed into and chosen, after stand_in.js: `value` is in the form under `name`, and a reset brings back what
// the page came with.

class Field extends Polaris {
  static formAssociated = true;
  constructor() {
    super();
    this.internals = this.attachInternals();
  }
  get name() {
    return this.attr("name");
  }
  get input() {
    return this.inner("input");
  }
  get value() {
    return this.input ? this.input.value : (this.attr("value") ?? "");
  }
  set value(value) {
    this.input.value = value;
    this.internals.setFormValue(value);
  }
  draw() {
    super.draw();
    this.value = this.attr("value") ?? "";
    this.input.addEventListener("input", () => this.internals.setFormValue(this.value));
    this.input.addEventListener("change", () => this.dispatchEvent(new Event("change", { bubbles: true })));
  }
  show() {
    this.say("label", this.attr("label"));
    this.say("suffix", this.attr("suffix"));
    this.say("error", this.attr("error"));
    this.say("details", this.attr("error") ? "" : this.attr("details"));
    this.input.setAttribute("aria-invalid", String(this.hasAttribute("error")));
    for (const name of ["placeholder", "maxLength", "inputMode", "autocomplete", "rows"]) {
      if (this.attr(name) !== null) this.input.setAttribute(name, this.attr(name));
    }
  }
  formResetCallback() {
    this.value = this.attr("value") ?? "";
  }
}
const field = (input) => `<label id="label" for="input"></label><div>${input}<span id="suffix" aria-hidden="true"></span></div>
  <p id="error"></p><p id="details"></p>`;
const fieldStyle = `:host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 4px; min-width: 0; } :host(:focus) { outline: 0; } p { margin: 0; } #details { color: #616161; } #error { color: #8e0b21; }
  div { display: flex; align-items: center; gap: 6px; min-height: 32px; padding: 0 12px; background: #fdfdfd; border: 1px solid #8a8a8a; border-radius: 8px; color: #616161; }
  div:focus-within { outline: 2px solid #005bd3; outline-offset: 1px; } :host([error]) div { background: #fee8e7; border-color: #8e0b21; }
  :is(input, select, textarea) { flex: 1; min-width: 0; padding: 5px 0; border: 0; outline: 0; background: transparent; color: #1a1a1a; }
  :host([labelAccessibilityVisibility="exclusive"]) label { position: absolute; clip-path: inset(50%); }`;
for (const name of ["s-text-field", "s-number-field", "s-search-field", "s-date-field", "s-color-field", "s-text-area"]) {
  const type = { "s-date-field": "date", "s-search-field": "search" }[name] ?? "text";
  const inner = name === "s-text-area" ? "<textarea" : `<input type="${type}"`;
  define(name, field(`${inner} id="input" dir="auto" aria-describedby="error details">${name === "s-text-area" ? "</textarea>" : ""}`), fieldStyle, Field);
}
define("s-option", `<slot></slot>`, `:host { display: none; }`);
define("s-select", `${field(`<select id="input" aria-describedby="error details"></select>`)}<slot></slot>`, fieldStyle, class extends Field {
  draw() {
    super.draw();
    const fill = () => {
      const options = [...this.querySelectorAll("s-option")];
      this.input.replaceChildren(...options.map((one) => new Option(one.textContent, one.getAttribute("value"), one.hasAttribute("selected"), one.hasAttribute("selected"))));
      this.internals.setFormValue(this.value);
    };
    this.shadowRoot.querySelector("slot").addEventListener("slotchange", fill);
    fill();
  }
});
define(
  "s-choice",
  `<label><input id="input" type="radio"><span><slot></slot></span><slot name="details"></slot></label>`,
  `label { display: grid; grid-template-columns: auto 1fr; gap: 2px 10px; padding: 4px 0; } input { margin: 3px 0 0; accent-color: #1a1a1a; } ::slotted([slot="details"]) { grid-column: 2; color: #616161; }`,
  Polaris,
  (choice) => {
    const input = choice.inner("input");
    input.checked = choice.hasAttribute("selected");
    input.onchange = () => choice.closest("s-choice-list").choose(choice);
  },
);
define(
  "s-choice-list",
  `<fieldset><legend id="label"></legend><slot id="input"></slot><p id="error"></p><p id="details"></p></fieldset>`,
  `:host { display: block; } fieldset { margin: 0; padding: 0; border: 0; min-width: 0; } p { margin: 0; } #details { color: #616161; } #error { color: #8e0b21; } legend { padding: 0; font-weight: 650; }`,
  class extends Field {
    get value() {
      return undefined; // Polaris has `values` here
    }
    draw() {
      Polaris.prototype.draw.call(this);
      const read = () => {
        const chosen = [...this.children].find((one) => one.hasAttribute("selected"));
        this.internals.setFormValue(chosen?.getAttribute("value") ?? null);
      };
      this.input.addEventListener("slotchange", read);
      read();
    }
    show() {
      for (const name of ["label", "error", "details"]) this.say(name, this.attr(name));
    }
    choose(chosen) {
      for (const one of this.children) one.inner("input").checked = one === chosen;
      this.internals.setFormValue(chosen.getAttribute("value"));
      for (const type of ["input", "change"]) this.dispatchEvent(new Event(type, { bubbles: true, composed: true }));
    }
    formResetCallback() {
      for (const one of this.children) one.show();
      this.internals.setFormValue([...this.children].find((one) => one.hasAttribute("selected"))?.getAttribute("value") ?? null);
    }
  },
);
