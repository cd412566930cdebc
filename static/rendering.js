// Polaris by default; the same page in plain HTML where Polaris is refused or has not come in time.
"use strict";

(() => {
  const PATIENCE_MILLISECONDS = 2500;
  const REMEMBERED_MILLISECONDS = 300000; // then the next document asks for Polaris again
  const KEY = "holdfast:polaris-missing-at";

  // a frame of another origin may be denied a storage; then each document finds out for itself
  const stored = (act) => {
    try {
      return act(sessionStorage);
    } catch {
      return null;
    }
  };
  const native = () => {
    const address = new URL(location.href);
    address.searchParams.set("rendering", "native");
    location.replace(address);
  };
  const giveUp = () => {
    if (customElements.get("s-page")) return;
    stored((storage) => storage.setItem(KEY, Date.now()));
    native();
  };
  if (Date.now() - Number(stored((storage) => storage.getItem(KEY))) < REMEMBERED_MILLISECONDS) {
    native();
    return;
  }
  // nothing can have been typed by then: fields that are not defined take nothing
  const timer = setTimeout(giveUp, PATIENCE_MILLISECONDS);
  document.addEventListener("error", (event) => event.target.id === "polaris" && giveUp(), true);

  // Polaris draws in sizes of its own: a page that is read already is exchanged as a whole, in a frame without it,
  // instead of moving under the reader's eyes
  customElements.whenDefined("s-page").then(() => {
    clearTimeout(timer);
    const { classList } = document.documentElement;
    classList.add("exchanged");
    requestAnimationFrame(() => requestAnimationFrame(() => classList.remove("exchanged")));
  });
})();
