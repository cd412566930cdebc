/* How the panel writes what is no word: money, days and lists, as the shopper writes them. */

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufefc]/;

/** A name amid a sentence, which one written from right to left must not turn round. */
export const apart = (name) => (RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name);

export function money(widget, amount, currency, more = {}) {
  try {
    return new Intl.NumberFormat(widget.locale, { style: "currency", currency, ...more }).format(Number(amount));
  } catch { return `${amount} ${currency}`; }
}

/** A day of the shop ("2026-05-03"), or the day of a moment where the shopper is. */
export function day(widget, iso) {
  const isDay = iso.length === 10, moment = new Date(isDay ? `${iso}T00:00Z` : iso);
  const year = iso.startsWith(`${new Date().getFullYear()}-`) ? {} : { year: "numeric" };
  return moment.toLocaleDateString(widget.locale, { day: "numeric", month: "long", ...year, ...(isDay ? { timeZone: "UTC" } : {}) });
}

export const list = (widget, names, type = "conjunction") => new Intl.ListFormat(widget.locale, { type }).format(names);

/** What a reward is called: as the merchant named it; else, and where the app did ("5.00 off"), in the shopper's words. */
export function title(widget, { title: given, kind, amount_off: off, percent_off: percent, currency: of }) {
  const [, named] = /^(\d+\.\d\d) off$/.exec(given || "") || [];
  if (given && !named) return given;
  const currency = of || widget.me.ways_to_earn.find((way) => way.currency)?.currency;
  const key = `kind.${kind}`;
  if (Number(named || off) && currency) return widget.t(key in widget.messages ? key : "off", { money: money(widget, named || off, currency) });
  if (given) return given;
  if (Number(percent)) return widget.t("percentOff", { percent: widget.number.format(Number(percent)) });
  return widget.t(key in widget.messages ? key : "reward");
}
