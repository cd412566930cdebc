// Tells Holdfast of errors in the scripts of its admin pages, each once and three a page at most; App Bridge adds who asks.
"use strict";

(() => {
  const MOST = 3;
  const OURS = `${location.origin}/static/`;
  const told = new Set();

  const tell = ({ error, reason = error }) => {
    const { name: kind = "Error", message = "", stack = "" } = reason || {};
    const place = stack.split("\n", 2).join(); // whoever called it from there
    if (!stack.includes(OURS) || told.size >= MOST || told.has(place)) return;
    told.add(place);
    const body = JSON.stringify({ kind: kind.slice(0, 100), message: message.slice(0, 500), stack: stack.slice(0, 4000) });
    fetch("/errors", { method: "POST", headers: { "Content-Type": "application/json" }, body }).catch(() => told.delete(place));
  };
  addEventListener("error", tell);
  addEventListener("unhandledrejection", tell);
})();
