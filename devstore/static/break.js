// The "break it" page without reloading: buttons act by fetch, the table of processes follows what happens.
"use strict";

(() => {
  const said = document.getElementById("said");
  const EVERY_MILLISECONDS = 2000;

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-quiet]")) return;
    event.preventDefault();
    const fields = new FormData(form, event.submitter);
    const response = await fetch(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(fields) });
    said.textContent = new URL(response.url).searchParams.get("said") || "";
    refresh();
  });

  const refresh = async () => {
    const rows = document.querySelectorAll("tr[data-process]");
    if (!rows.length) return;
    try {
      const response = await fetch("/control/processes");
      if (!response.ok) return;
      const found = new Map((await response.json()).map((one) => [one.name, one.state]));
      for (const row of rows) {
        const state = found.get(row.dataset.process) || "GONE";
        const badge = row.querySelector(".badge");
        badge.textContent = state.toLowerCase();
        badge.className = `badge ${state.toLowerCase()}`;
      }
    } catch {
      said.textContent = "The stand-in store does not answer.";
    }
  };
  setInterval(() => document.hidden || refresh(), EVERY_MILLISECONDS);

  for (const button of document.querySelectorAll("button[data-reload]")) {
    button.addEventListener("click", () => {
      const frame = document.getElementById(button.dataset.reload);
      frame.src = frame.getAttribute("src");
    });
  }
})();
