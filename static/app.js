// Toasts, confirmations, focus and failed requests of the admin pages; everything else is made on the server.
"use strict";

(() => {
  if (!window.shopify?.environment?.embedded) document.documentElement.classList.remove("embedded");

  const toast = (message, isError = false) => {
    if (window.shopify?.toast) {
      window.shopify.toast.show(message, { isError });
      return;
    }
    const shown = document.createElement("div");
    shown.className = isError ? "toast error" : "toast";
    shown.textContent = message;
    document.getElementById("toasts").append(shown);
    setTimeout(() => shown.remove(), 6000);
  };
  const isPoll = (ctx) => ctx?.sourceElement?.id === "poll";

  // the browser's own confirm() is switched off in frames of another origin, which is where this app lives
  document.addEventListener("htmx:confirm", (event) => {
    const { ctx, issueRequest, dropRequest } = event.detail;
    event.preventDefault();
    const form = ctx.sourceElement.closest("form");
    if (form && !isComplete(form)) {
      issueRequest(); // nothing to confirm yet: the answer says what is wrong, beside the field
      return;
    }
    document.getElementById("confirm-question").textContent = ctx.confirm.replace(
      /\{(\w+)\}/g,
      (_, name) => form?.elements[name]?.value.trim() || "…",
    );
    ask((isAgreed) => {
      if (isAgreed) {
        issueRequest();
        return;
      }
      dropRequest();
      stillUnsaved(form);
    });
  });
  // fields of Polaris know no patterns; the server looks at all of it again
  const isComplete = (form) =>
    form.checkValidity() && [...form.querySelectorAll("[data-pattern]")].every((one) => new RegExp(`^(?:${one.dataset.pattern})$`).test(one.value.trim()));
  const ask = (answered) => {
    const dialog = document.getElementById("confirm");
    if (dialog.matches("dialog")) {
      dialog.returnValue = "no";
      dialog.addEventListener("close", () => answered(dialog.returnValue === "yes"), { once: true });
      dialog.showModal();
      return;
    }
    let isAgreed = false;
    const agree = () => {
      isAgreed = true;
      dialog.hideOverlay();
    };
    const yes = document.getElementById("confirm-yes");
    yes.addEventListener("click", agree);
    dialog.addEventListener(
      "hide",
      () => {
        yes.removeEventListener("click", agree);
        answered(isAgreed);
      },
      { once: true },
    );
    dialog.showOverlay();
  };

  // links and buttons of Polaris hold their anchor inside, where hx-boost does not look
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("s-link[href], s-button[href]");
    const isPlain = link && !event.defaultPrevented && !event.button && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!isPlain || !window.htmx || link.matches("[target], [download], [data-document], s-app-nav *")) return;
    event.preventDefault();
    const href = link.getAttribute("href");
    htmx.ajax("GET", href, { source: link, event, target: "#page", select: "#page", swap: "outerHTML", push: href });
  });

  // Enter in a field sends its form; fields of Polaris have their inputs inside, where the browser sees no form
  document.addEventListener("keydown", (event) => {
    const form = event.target.closest?.("s-text-field, s-number-field, s-date-field, s-color-field, s-search-field")?.closest("form");
    if (event.key !== "Enter" || event.isComposing || event.defaultPrevented || !form) return;
    let isSent = false;
    const sent = () => (isSent = true);
    form.addEventListener("submit", sent);
    setTimeout(() => {
      form.removeEventListener("submit", sent);
      if (!isSent) form.requestSubmit();
    });
  });

  // what a form asks while it is filled in is what it would send: htmx reads `value` of each field, which not all have
  document.addEventListener("htmx:config:request", (event) => {
    const { request, sourceElement } = event.detail.ctx;
    const form = sourceElement.closest("form");
    if (form && sourceElement.getAttribute("hx-include") === "closest form") request.body = new FormData(form);
  });

  document.addEventListener("htmx:before:response", (event) => {
    const { ctx } = event.detail;
    if (isPoll(ctx)) return;
    const { status, headers } = ctx.response;
    if (ctx.hx.toast) {
      const { message, isError } = JSON.parse(ctx.hx.toast);
      toast(message, isError);
    }
    if (status === 401) {
      // App Bridge has retried already: only a fresh document gets a fresh token
      event.preventDefault();
      if (ctx.request.method === "GET") {
        location.reload();
        return;
      }
      toast("Your session has ended and nothing was saved. Reload the page and try again.", true);
      stillUnsaved(ctx.request.form);
    } else if (!(headers.get("content-type") || "").startsWith("text/html")) {
      event.preventDefault();
      toast("Holdfast could not answer. Nothing was changed.", true);
      stillUnsaved(ctx.request.form);
    }
  });

  // the save bar went with the press on Save; what was refused is unsaved still
  const stillUnsaved = (form) => {
    if (!form?.matches("[data-save-bar]")) return;
    const field = form.querySelector("[name]:not([type=hidden])");
    field?.dispatchEvent(new Event("input", { bubbles: true }));
  };

  // where people who do not see the page go on reading: the heading of a new page, the message of a save
  const focus = (element) => {
    if (!element?.checkVisibility?.()) return false;
    element.focus();
    return true;
  };
  document.addEventListener("htmx:after:swap", (event) => {
    const { ctx } = event.detail;
    if (isPoll(ctx) || ctx.target?.id !== "page") return;
    if (ctx.request.method === "GET") {
      focus(document.getElementById("heading")) || focus(document.querySelector("main"));
      return;
    }
    focus(document.querySelector("#page :is([aria-invalid], [error])")) ||
      focus(document.querySelector("#page .problem.box")) ||
      focus(document.getElementById("message"));
    stillUnsaved(document.querySelector("form[data-refused]"));
  });

  // giving up what was refused leads back to what is saved, not to what was typed
  document.addEventListener("reset", (event) => {
    event.target.removeAttribute("hx-morph-skip");
    if (event.target.matches("[data-refused]")) location.reload();
  });

  // no answer at all; a page that polls says so itself
  document.addEventListener("htmx:error", (event) => {
    const { ctx } = event.detail;
    if (!ctx || isPoll(ctx)) return;
    const isChange = ctx.request.method !== "GET";
    toast(isChange ? "Holdfast could not be reached. What you typed is still here; please save again." : "Holdfast could not be reached. Please try again.", true);
    stillUnsaved(ctx.request.form);
  });
})();
