// Live pages: an element with data-live="case:<id>" or "desk" (several, with spaces) is sent the htmx event "live" when there is news
// of one of them. The wire carries no person and no state: the element asks its own service again, with the records that were heard of;
// a service that has not heard of them yet says so, and is asked again.
(() => {
  const { now, sync, hour, words } = window.entraide, { worker, stream, name } = document.currentScript.dataset;
  const SILENT = 15000, TOGETHER = 250, AGAIN = 1000, LONGEST = 16000, MOST = 60, LOADING = 15000;
  const $$ = s => document.querySelectorAll(s);
  let heard = performance.now(), heardAt = now(), news = new Map(), planned, everything = false, beaten = false;

  // A list that is in use does not move: what is new waits behind its button.
  const inUse = el => el.hasAttribute("data-hold") && (el.contains(document.activeElement) || el.matches(":hover"));
  const refresh = el => {
    const more = document.querySelector(`[data-more="${el.id}"]`);
    if (more && inUse(el)) {
      more.dataset.count = Number(more.dataset.count ?? 0) + 1;
      more.textContent = words.more(Number(more.dataset.count));
      more.hidden = false;
    } else {
      if (more) { more.hidden = true; delete more.dataset.count; }
      htmx.trigger(el, "live");
    }
  };
  // Of places `topic/source/key/seq`, the last of each key.
  const latest = places => [...new Map(places.map(place => [place.slice(0, place.lastIndexOf("/")), place])).values()].slice(-MOST);
  // Several events of one moment are one request; a hidden page asks when it is looked at again.
  const flush = () => {
    planned = undefined;
    if (document.hidden) return;
    for (const el of $$("[data-live]")) {
      const mine = topics(el).filter(topic => news.has(topic));
      for (const topic of mine) records.set(topic, latest([...records.get(topic) ?? [], ...news.get(topic)]));
      if (everything || mine.length) refresh(el);
    }
    news = new Map(); everything = false;
  };
  const soon = () => { planned ??= setTimeout(flush, TOGETHER); };

  // By topic of this page, the records heard of last; by address, how long to wait before it is asked again.
  const records = new Map(), waits = new Map(), topics = el => el.dataset.live.split(/\s+/);
  document.addEventListener("htmx:configRequest", e => {
    const { elt: el, verb, headers } = e.detail;
    const known = verb === "get" && el.dataset.live ? topics(el).flatMap(topic => records.get(topic) ?? []) : [];
    if (known.length) headers["Entraide-Heard"] = latest(known).join();
  });
  document.addEventListener("htmx:afterRequest", e => {
    const { elt: el, xhr, requestConfig: { path } } = e.detail;
    if (!xhr.getResponseHeader("Entraide-Behind")) { waits.delete(path); return; }
    const wait = waits.get(path) ?? AGAIN;
    waits.set(path, Math.min(wait * 2, LONGEST));
    setTimeout(() => { const there = el.isConnected ? el : document.getElementById(el.id); if (there) refresh(there); }, wait);
  });

  // By topic, when it was told last: what is put on the page by a request that was made before may be older than that.
  const told = new Map(), asked = new WeakMap();
  document.addEventListener("htmx:beforeSend", e => asked.set(e.detail.xhr, performance.now()));
  document.addEventListener("htmx:afterSettle", ({ target, detail: { xhr } }) => {
    for (const [topic, at] of told) if (performance.now() - at > LOADING) told.delete(topic);
    for (const el of [target, ...target.querySelectorAll("[data-live]")])
      if (el.dataset.live && topics(el).some(topic => told.get(topic) > asked.get(xhr))) refresh(el);
  });

  const show = () => {
    const stale = performance.now() - heard > SILENT;
    if (!stale && !beaten) return;
    for (const dot of $$("[data-live-dot]")) {
      const was = dot.classList.contains("unknown") ? undefined : dot.classList.contains("stale");
      if (was === stale) continue;
      dot.classList.remove("unknown");
      dot.classList.toggle("stale", stale);
      dot.querySelector("[role=status]").textContent = stale ? words.stale(hour(heardAt)) : words.live;
      dot.querySelector("time").hidden = stale;
    }
  };
  const take = said => {
    heard = performance.now();
    beaten = true;
    if (said.now) sync(said.now);
    heardAt = now();
    if (said.kind === "news") { for (const topic of said.topics) { news.set(topic, [...news.get(topic) ?? [], ...said.heard]); told.set(topic, performance.now()); } soon(); }
    if (said.kind === "reset") { everything = true; soon(); }
    show();
  };

  const alone = () => import(worker).then(module => module.follow(stream, take));
  if (window.SharedWorker) {
    const common = new SharedWorker(worker, { type: "module", name: `entraide-${name}` });
    common.addEventListener("error", alone, { once: true });
    common.port.onmessage = e => take(e.data);
    const hello = () => common.port.postMessage({ follow: stream });
    hello();
    addEventListener("pagehide", () => common.port.postMessage({ bye: true }));
    addEventListener("pageshow", e => { if (e.persisted) hello(); });
  } else alone();

  setInterval(show, 1000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && (news.size || everything)) flush(); });
  document.addEventListener("click", e => {
    const more = e.target.closest("[data-more]"), list = more && document.getElementById(more.dataset.more);
    if (!list) return;
    more.hidden = true; delete more.dataset.count;
    htmx.trigger(list, "live");
    list.focus?.();
  });
})();
