/* How the panel looks; the launcher's part is in holdfast.js. A theme adapts it through the --holdfast-… properties, or ::part(launcher) and ::part(panel). */

export const STYLE = `
.head :focus-visible { outline-color: var(--highlight); }

.panel {
  position: fixed; inset: auto; inset-block-end: var(--offset); inset-inline-end: var(--offset); margin: 0; padding: 0;
  inline-size: min(384px, calc(100vw - 2 * var(--offset))); max-inline-size: none;
  min-block-size: min(440px, calc(100dvh - 2 * var(--offset))); max-block-size: min(680px, calc(100dvh - 2 * var(--offset))); border: 0; border-radius: var(--radius);
  background: var(--surface); overflow: hidden; overflow-wrap: anywhere; box-shadow: 0 2px 6px rgb(0 0 0 / .1), 0 24px 64px rgb(0 0 0 / .28);
}
.panel[open] { display: flex; flex-direction: column; animation: rise .18s ease-out; }
.panel::backdrop { background: rgb(15 15 25 / .28); animation: fade .18s ease-out; }
@keyframes rise { from { opacity: 0; transform: translateY(12px); } }
@keyframes fade { from { opacity: 0; } }
.content { display: contents; }
h2, h3, p, ul { margin: 0; padding: 0; }
ul { list-style: none; }
h2 { font-size: 14px; font-weight: 600; opacity: .85; }
h3 { font-size: 13px; font-weight: 600; color: var(--muted); margin-block-end: 8px; }
.head { flex: none; padding: 12px 20px 20px; background: var(--accent); color: var(--on-accent); }
.top { display: flex; align-items: center; justify-content: space-between; margin-inline-end: -8px; }
.total { margin-block-start: 2px; font-size: 15px; }
.total strong { font-size: 40px; line-height: 1.15; font-weight: 700; letter-spacing: -.02em; font-variant-numeric: tabular-nums; margin-inline-end: 2px; }
.welcome { margin-block: 6px 14px; font-size: 18px; line-height: 1.35; font-weight: 600; text-wrap: balance; }
.side { font-size: 13px; }
.next { margin-block-start: 14px; font-size: 13px; }
.track { display: block; block-size: 6px; margin-block-start: 6px; border-radius: 3px; background: color-mix(in srgb, currentColor 22%, transparent); overflow: hidden; }
.track i { display: block; block-size: 100%; border-radius: 3px; background: var(--highlight); }
.debt { margin-block-start: 8px; padding: 8px 12px; border-radius: calc(var(--radius) * .5); background: color-mix(in srgb, currentColor 14%, transparent); font-size: 13px; }
/* over the end of what scrolls, which has room for it: it comes and goes, and nothing moves */
.behind { position: absolute; inset: auto 0 0; display: flex; align-items: center; gap: 8px; padding: 9px 20px; font-size: 13px; background: #fff4d6; color: #5a4200; border-block-start: 1px solid #e8d59a; }
.behind .icon { inline-size: 16px; block-size: 16px; }
.body { flex: 1; overflow: hidden auto; overscroll-behavior: contain; scroll-padding-block-end: 72px; padding: 18px 20px 72px; display: grid; grid-template-columns: minmax(0, 1fr); align-content: start; gap: 22px; }
li { display: flex; flex-wrap: wrap; align-items: center; gap: 10px 12px; padding: 12px 14px; border: 1px solid var(--line); border-radius: calc(var(--radius) * .7); }
li + li { margin-block-start: 8px; }
.what { flex: 1; min-inline-size: 0; }
.what b { display: block; font-weight: 600; }
.what small { display: block; font-size: 13px; color: var(--muted); }
.small { min-inline-size: 76px; color: var(--text); }
.small i { background: var(--accent); }
.dates li, .past li { padding: 8px 0; border: 0; border-block-end: 1px solid var(--line); border-radius: 0; margin: 0; }
.dates .icon { inline-size: 18px; block-size: 18px; color: var(--muted); }
.dates span { flex: 1; min-inline-size: 0; }
.change { font-weight: 600; font-variant-numeric: tabular-nums; }
.past + .plain, ul + .plain { margin-block-start: 10px; }
.wide { flex-basis: 100%; }
button, .link, .go { font: inherit; color: inherit; cursor: pointer; }
.main, .plain, .link { min-block-size: 40px; padding: 8px 16px; border-radius: calc(var(--radius) * .6); font-size: 14px; font-weight: 600; border: 1px solid transparent; }
.main { background: var(--accent); color: var(--on-accent); }
.plain { background: var(--surface); border-color: color-mix(in srgb, var(--text) 30%, var(--surface)); }
.plain:hover { background: var(--soft); }
.main:hover { background: color-mix(in srgb, var(--accent) 88%, var(--on-accent)); }
[aria-disabled=true] { opacity: .6; cursor: default; }
.link { display: inline-flex; align-items: center; background: var(--highlight); color: var(--on-highlight); text-decoration: none; }
.close { display: grid; place-items: center; inline-size: 40px; block-size: 40px; border: 0; border-radius: 50%; background: none; }
.close:hover { background: color-mix(in srgb, currentColor 14%, transparent); }
.go { display: inline-flex; align-items: center; text-decoration: none; }
.mark { flex: none; inline-size: 32px; block-size: 32px; font-size: 22px; line-height: 32px; text-align: center; object-fit: cover; border-radius: 6px; }
.campaign, .tier { background: var(--soft); }
.field, select { font: inherit; font-size: 16px; color: var(--text); background: var(--surface); border: 1px solid color-mix(in srgb, var(--text) 55%, var(--surface)); border-radius: calc(var(--radius) * .5); min-block-size: 40px; padding: 4px 10px; max-inline-size: 100%; }
.field { inline-size: 8em; }
label { display: grid; gap: 2px; } label small { font-size: 13px; color: var(--muted); }
li > small.wide { font-size: 13px; color: var(--muted); }
form.row { align-items: end; }
.row .code { display: block; } .row .link-text { font-size: 13px; letter-spacing: 0; } .row > .plain { align-self: end; }
.row { display: flex; flex-wrap: wrap; gap: 8px; }
.ask { flex-basis: 100%; display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; padding-block-start: 12px; border-block-start: 1px solid var(--line); }
.problem { color: var(--error); font-size: 14px; }
.coupon { border-style: dashed; border-color: color-mix(in srgb, var(--text) 35%, var(--surface)); background: var(--soft); }
.code { font: 600 17px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; letter-spacing: .04em; overflow-wrap: anywhere; user-select: all; }
.good { display: flex; gap: 6px; align-items: center; font-size: 14px; color: var(--good); }
@media (max-width: 480px) {
  .panel { inset: auto 0 0; inline-size: 100%; min-block-size: 0; max-block-size: 88dvh; border-end-start-radius: 0; border-end-end-radius: 0; }
  .body { padding-block-end: calc(72px + env(safe-area-inset-bottom)); }
}
@media (max-height: 600px) { .content { display: block; overflow: hidden auto; scroll-padding-block-end: 72px; } .body { overflow: visible; } }
@media (forced-colors: active) { .panel { border: 1px solid CanvasText; } .track, .track i { border: 1px solid CanvasText; } .track i { background: Highlight; } }
@media (prefers-reduced-motion: reduce) { .panel[open], .panel::backdrop { animation: none; } }
`;
