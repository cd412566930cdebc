// Files to save: fetched, so that App Bridge adds the proof of who asks, and then given to the browser.
"use strict";

(() => {
  const KEPT_MILLISECONDS = 60000;

  const save = async (link) => {
    const answer = await fetch(link.getAttribute("href"));
    const type = answer.headers.get("content-type") || "";
    if (!answer.ok || type.startsWith("text/html")) throw new Error(`answered ${answer.status}`);
    const address = URL.createObjectURL(await answer.blob());
    const made = document.createElement("a");
    made.href = address;
    made.download = link.getAttribute("download");
    made.click();
    setTimeout(() => URL.revokeObjectURL(address), KEPT_MILLISECONDS);
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[download]");
    if (!link || link.href?.startsWith("blob:")) return;
    event.preventDefault();
    save(link).catch((error) => {
      console.debug("holdfast:", error);
      window.shopify?.toast?.show("The file could not be made just now. Please try again.", { isError: true });
    });
  });
})();
