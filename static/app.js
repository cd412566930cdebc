// Toasts, confirmations and failed requests of the admin pages; everything else is made on the server.
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

  // the browser's own confirm() is switched off in frames of another origin, which is where this app lives
  document.addEventListener("htmx:confirm", (event) => {
    const { ctx, issueRequest, dropRequest } = event.detail;
    event.preventDefault();
    const dialog = document.getElementById("confirm");
    const form = ctx.sourceElement.closest("form");
    if (form && !form.checkValidity()) {
      issueRequest(); // nothing to confirm yet: the answer says what is wrong, beside the field
      return;
    }
    document.getElementById("confirm-question").textContent = ctx.confirm.replace(
      /\{(\w+)\}/g,
      (_, name) => form?.elements[name]?.value.trim() || "…",
    );
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => (dialog.returnValue === "yes" ? issueRequest() : dropRequest()), { once: true });
    dialog.showModal();
  });

  document.addEventListener("htmx:before:response", (event) => {
    const { ctx } = event.detail;
    const { status, headers } = ctx.response;
    if (ctx.hx.toast) {
      const { message, isError } = JSON.parse(ctx.hx.toast);
      toast(message, isError);
    }
    if (status === 401) {
      // App Bridge has retried already: only a fresh document gets a fresh token
      event.preventDefault();
      if (ctx.request.method === "GET") location.reload();
      else toast("Your session has ended and nothing was saved. Reload the page and try again.", true);
    } else if (!(headers.get("content-type") || "").startsWith("text/html")) {
      event.preventDefault();
      toast("Holdfast could not answer. Nothing was changed.", true);
    }
  });

  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx.request.method !== "GET") document.querySelector("#page [aria-invalid]")?.focus();
  });

  // no answer at all; a page that refreshes itself says nothing, it will try again
  document.addEventListener("htmx:error", (event) => {
    const { ctx } = event.detail;
    if (ctx && ctx.sourceEvent?.type !== "every") toast("Holdfast could not be reached. Nothing was changed.", true);
  });
})();
