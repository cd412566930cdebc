/* What shoppers agreed to; fetched only when there is something to tell. */

/** Whether the shopper agreed, as Shopify's customer privacy API says; where there is none, nobody has. */
export const agreed = () => new Promise((answer) => {
  const { Shopify } = window;
  const ask = () => answer(Boolean(Shopify.customerPrivacy?.analyticsProcessingAllowed?.()));
  if (Shopify?.customerPrivacy) ask();
  else if (!Shopify?.loadFeatures) answer(false);
  else Shopify.loadFeatures([{ name: "consent-tracking-api", version: "0.1" }], (failed) => (failed ? answer(false) : ask()));
});
