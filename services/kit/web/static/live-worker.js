// The event stream, once for all pages of a browser (as a SharedWorker) or for the one page that imports it.
// Server's side: `id` is the view's sequence; data is {"topics": ["case:<id>", "desk"], "heard": [places on the log]}; "ping" at least every 5 s with {"now": instant};
// "end" when the token runs out; "reset" when what was missed cannot be told, so that everything is asked for again.
const SILENT = 30000, LONGEST = 30000, LOADING = 15000;  // a page is not older than that when it joins

export function follow(address, tell) {
  let source, last = "", wait = 500, heard, planned;
  const open = () => {
    const url = new URL(address, self.location.origin);
    if (last) url.searchParams.set("last_event_id", last);
    heard = performance.now();
    source = new EventSource(url);
    const on = (name, act) => source.addEventListener(name, e => { heard = performance.now(); if (e.lastEventId) last = e.lastEventId; act(e); });
    on("open", () => tell({ kind: "beat" }));
    on("ping", e => { wait = 500; tell({ kind: "beat", now: JSON.parse(e.data).now }); });
    on("message", e => { wait = 500; tell({ kind: "news", ...JSON.parse(e.data) }); });
    on("reset", () => tell({ kind: "reset" }));
    on("end", again);
    // The browser reconnects by itself after a broken connection, but not after a refusal.
    source.addEventListener("error", () => { if (source.readyState === EventSource.CLOSED) again(); });
  };
  const again = () => {
    source.close();
    clearTimeout(planned);
    planned = setTimeout(open, wait);
    heard = performance.now() + wait;
    wait = Math.min(wait * 2, LONGEST);
  };
  setInterval(() => { if (performance.now() - heard > SILENT) again(); }, 5000);
  open();
}

if ("SharedWorkerGlobalScope" in self) {
  const pages = new Set();
  let started = false, recent = [];
  // A page that joins late missed what was told since it was made.
  const fresh = () => recent = recent.filter(({ at }) => performance.now() - at < LOADING);
  const tell = said => {
    if (said.kind !== "beat") fresh().push({ at: performance.now(), said });
    for (const page of pages) page.postMessage(said);
  };
  self.onconnect = ({ ports: [page] }) => {
    page.onmessage = ({ data }) => {
      if (data.bye) { pages.delete(page); return; }
      pages.add(page);
      for (const { said } of fresh()) page.postMessage(said);
      if (!started) follow(data.follow, tell);
      started = true;
    };
  };
}
