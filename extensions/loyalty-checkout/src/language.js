/* How the block speaks: the widget's words in the checkout's language, the merchant's own before ours. */

import de from "../../../static/widget/locales/de.json" with { type: "json" };
import en from "../../../static/widget/locales/en.json" with { type: "json" };
import es from "../../../static/widget/locales/es.json" with { type: "json" };
import fr from "../../../static/widget/locales/fr.json" with { type: "json" };
import { WORDS as OWN } from "./words.js";

const WORDS = { de, en, es, fr };

export class Language {
  constructor(locale) {
    const [language] = locale.split("-");
    this.spoken = Object.hasOwn(WORDS, language) ? language : "en";
    this.locale = this.spoken === language ? locale : "en";
    this.messages = { ...en, ...WORDS[this.spoken], ...OWN[this.spoken] };
    this.plural = new Intl.PluralRules(this.locale);
    this.number = new Intl.NumberFormat(this.locale);
    this.me = { texts: null, ways_to_earn: [] };
  }

  t(key, values = {}) {
    const own = this.me.texts?.[key];
    const said = typeof own === "string" && own ? own : this.messages[key] ?? key;
    return said.replace(/\{(\w+)\}/g, (left, name) => values[name] ?? left);
  }

  count(key, count, values = {}) {
    const form = `${key}.${this.plural.select(count)}`;
    return this.t(form in this.messages ? form : `${key}.other`, { count: this.number.format(count), ...values });
  }

  points(count) {
    return this.count("points", count);
  }

  time(iso) {
    return new Date(iso).toLocaleString(this.locale, { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
  }
}
