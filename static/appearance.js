// The preview beside what a merchant types of the widget's look and texts: each change goes to its frames.
"use strict";

(() => {
  const textsForm = () => document.querySelector("form[data-texts]");

  /** What is saved of the texts, with what stands in the fields now. */
  const texts = () => {
    const form = textsForm();
    if (!form) return {};
    const found = JSON.parse(form.dataset.texts || "{}");
    for (const field of form.querySelectorAll("[name^='text:']")) found[field.getAttribute("name").slice(5)] = (field.value ?? field.getAttribute("value") ?? "").trim();
    return found;
  };

  const send = () => {
    const look = document.getElementById("tried")?.dataset.look;
    const message = { texts: texts(), language: textsForm()?.dataset.language || "en", ...(look ? { look: JSON.parse(look) } : {}) };
    for (const frame of document.querySelectorAll("iframe[data-preview]")) frame.contentWindow?.postMessage(message, location.origin);
  };

  addEventListener("message", ({ origin, data }) => origin === location.origin && data === "holdfast:preview" && send());
  document.addEventListener("htmx:after:swap", send);
  document.addEventListener("input", (event) => event.target.closest?.("form[data-texts]") && send());

  // the nearest colour that can be read, offered beside the one that cannot
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-use]");
    const field = button?.closest("form")?.querySelector(`[name='${button.dataset.for}']`);
    if (!field) return;
    field.value = button.dataset.use;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
})();
