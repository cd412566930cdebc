// An open page follows what happens: one polled part, asked for again with back-off; what cannot be reached is said above it.
"use strict";

(() => {
  const SLOWEST_MILLISECONDS = 60000; // while nothing answers, or nobody looks
  const SECRETS = ["id_token", "hmac", "session", "timestamp", "shopify-reload"];
  const GONE = "We cannot reach Holdfast";
  const poll = document.getElementById("poll");
  let timer;
  let failures = 0;
  let goodAt = new Date(); // when what the page shows was true
  let seen = { address: "", tag: "" }; // what was answered last, for 304
  let asking = null; // the poll under way
  let others = 0; // requests of people under way: they come first

  const live = () => document.getElementById("live");
  const isMine = (ctx) => ctx?.sourceElement === poll;
  const everyMilliseconds = () => Number(live()?.dataset.pollSeconds || 5) * 1000;

  const schedule = () => {
    clearTimeout(timer);
    const pause = document.hidden ? SLOWEST_MILLISECONDS : Math.min(everyMilliseconds() * 1.5 ** failures, SLOWEST_MILLISECONDS);
    timer = setTimeout(ask, pause * (0.9 + Math.random() * 0.2));
  };
  const ask = () => {
    clearTimeout(timer);
    if (!live() || !window.htmx) return;
    if (others || asking) schedule();
    else htmx.trigger(poll, "poll");
  };

  const clock = (moment) => {
    const style = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    try {
      return new Intl.DateTimeFormat("en-GB", { ...style, timeZone: live()?.dataset.timezone }).format(moment);
    } catch {
      return new Intl.DateTimeFormat("en-GB", style).format(moment);
    }
  };
  const say = (heading, text) => {
    const box = document.getElementById("away");
    if (!box || box.dataset.says === heading + text) return; // said already: nobody is told twice
    const banner = document.getElementById("away-banner").content.firstElementChild.cloneNode(true);
    if (banner.hasAttribute("heading")) banner.setAttribute("heading", heading);
    else banner.firstElementChild.textContent = heading;
    banner.lastElementChild.textContent = text;
    box.dataset.says = heading + text;
    box.replaceChildren(banner);
  };
  const good = () => {
    failures = 0;
    goodAt = new Date();
    const box = document.getElementById("away");
    if (box) delete box.dataset.says;
    box?.replaceChildren();
  };
  const bad = () => {
    failures += 1;
    say(GONE, `What you see is as of ${clock(goodAt)}. This page goes on by itself as soon as Holdfast answers.`);
  };

  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (!isMine(ctx)) return;
    const address = new URL(location.href);
    SECRETS.forEach((name) => address.searchParams.delete(name));
    ctx.request.action = address.pathname + address.search;
    ctx.request.headers["HX-Current-URL"] = ctx.request.action;
    if (seen.tag && seen.address === ctx.request.action) ctx.request.headers["If-None-Match"] = seen.tag;
  });
  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = event.detail;
    if (isMine(ctx)) {
      asking = ctx;
    } else {
      others += 1;
      asking?.request.abort(); // what it asked for may be older than what is saved now
    }
  });
  document.addEventListener("htmx:before:response", (event) => {
    const { ctx } = event.detail;
    if (!isMine(ctx)) return;
    const { status, headers } = ctx.response;
    const isPage = status < 500 && status !== 401 && (headers.get("content-type") || "").startsWith("text/html");
    if (status === 304 || isPage) good();
    if (isPage) seen = { address: ctx.request.action, tag: headers.get("etag") || "" };
    else event.preventDefault();
    if (status === 401) say("Your session has ended", "Please reload this page; nothing is lost.");
    else if (status !== 304 && !isPage) bad();
  });
  document.addEventListener("htmx:error", (event) => {
    if (isMine(event.detail.ctx)) bad();
  });
  document.addEventListener("htmx:finally:request", (event) => {
    if (isMine(event.detail.ctx)) {
      asking = null;
      schedule();
    } else {
      others = Math.max(0, others - 1);
    }
  });
  document.addEventListener("htmx:after:swap", (event) => {
    const { ctx } = event.detail;
    if (isMine(ctx) || ctx.target?.id !== "page") return;
    good(); // a page that has just come is true now
    seen = { address: "", tag: "" };
    schedule();
  });

  // what is being typed stays, whatever comes
  const keep = (event) => event.target.closest?.("#live form")?.setAttribute("hx-morph-skip", "");
  document.addEventListener("input", keep);
  document.addEventListener("change", keep);

  document.addEventListener("visibilitychange", () => (document.hidden ? schedule() : ask()));
  window.addEventListener("online", () => {
    failures = 0;
    ask();
  });
  schedule();
})();
