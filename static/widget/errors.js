/* Tells the app of an error in the widget itself: with the shopper's consent to analytics alone, from one page view in
   five, each error once. Fetched only when there is one. */

const SHARE = 0.2, MOST = 3;
const told = new Set();
const isChosen = Math.random() < SHARE;

/** Whether the shopper agreed, as Shopify's customer privacy API says; where there is none, nobody has. */
const agreed = () => new Promise((answer) => {
  const { Shopify } = window;
  const ask = () => answer(Boolean(Shopify.customerPrivacy?.analyticsProcessingAllowed?.()));
  if (Shopify?.customerPrivacy) ask();
  else if (!Shopify?.loadFeatures) answer(false);
  else Shopify.loadFeatures([{ name: "consent-tracking-api", version: "0.1" }], (failed) => (failed ? answer(false) : ask()));
});

export async function tell(error) {
  const { proxy } = document.querySelector("holdfast-widget") || {};
  const { name: kind = "Error", message = "", stack = "" } = error;
  const place = stack.split("\n", 2).join(); // whoever called it from there
  if (!proxy || !isChosen || told.size >= MOST || told.has(place)) return;
  told.add(place);
  if (!(await agreed())) return;
  const body = JSON.stringify({ kind: kind.slice(0, 100), message: message.slice(0, 500), stack: stack.slice(0, 4000) });
  await fetch(`${proxy}/errors`, { method: "POST", headers: { "Content-Type": "application/json" }, keepalive: true, body });
}
