// Clock, keyboard, dialogs, theme. fragments.js has the failures of htmx, live.js the event stream; all else is server-rendered.
(() => {
  const root = document.documentElement, $$ = (s, n = document) => [...n.querySelectorAll(s)];
  const store = { get: k => { try { return localStorage.getItem(k); } catch { return null; } }, set: (k, v) => { try { localStorage.setItem(k, v); } catch { /* private mode */ } } };

  // Theme: the stored choice, else the system's.
  const dark = store.get("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  root.dataset.bsTheme = dark;

  const words = {
    fr: { past: "dépassé de", day: "j", live: "En direct", stale: at => `Données de ${at}`, silent: at => `Sans réponse à ${at}`, more: n => n > 1 ? `${n} nouveaux` : "1 nouveau",
          unreachable: "Le serveur n’a pas répondu. Votre saisie est toujours là : envoyez de nouveau.", refused: "Cette demande n’a pas pu être faite. Votre saisie est toujours là." },
    en: { past: "overdue by", day: "d", live: "Live", stale: at => `Data from ${at}`, silent: at => `No answer at ${at}`, more: n => `${n} new`,
          unreachable: "The server did not answer. What you typed is still here: send it again.", refused: "This could not be done. What you typed is still here." },
  }[root.lang === "en" ? "en" : "fr"];

  // Time is the server's: the page carries its "now", the browser only adds what has elapsed since.
  let start = performance.now(), now0 = Date.parse(root.dataset.now);
  const now = () => now0 + performance.now() - start;
  const sync = at => { now0 = Date.parse(at); start = performance.now(); };
  const zoned = style => new Intl.DateTimeFormat("fr-FR", { timeZone: root.dataset.zone, ...style });
  const hhmm = zoned({ hour: "2-digit", minute: "2-digit" }), hhmmss = zoned({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  window.entraide = { now, sync, words, hour: (at = now()) => hhmm.format(at) };
  const pad = n => String(n).padStart(2, "0");
  const span = s => s < 3600 ? `${Math.floor(s / 60)}:${pad(Math.floor(s % 60))}` : s < 86400 ? `${Math.floor(s / 3600)}\u00a0h\u00a0${pad(Math.floor(s % 3600 / 60))}` : `${Math.floor(s / 86400)}\u00a0${words.day}\u00a0${Math.floor(s % 86400 / 3600)}\u00a0h`;
  const tick = () => {
    for (const el of $$("[data-until]")) {
      const s = (Date.parse(el.dataset.until) - now()) / 1000, box = el.closest(".e-left");
      el.textContent = s < 0 ? `${words.past} ${span(-s)}` : span(s);
      box?.classList.toggle("late", s < 0); box?.classList.toggle("soon", s >= 0 && s < 300);
    }
    for (const el of $$("[data-since]")) el.textContent = span(Math.max(0, (now() - Date.parse(el.dataset.since)) / 1000));
    for (const el of $$("[data-clock]")) el.textContent = hhmmss.format(now());
  };
  setInterval(tick, 1000);

  // Keyboard: function keys everywhere; digits only while a [data-digits] group has the focus (WCAG 2.1.4).
  // event.code, not event.key: on AZERTY the unshifted top row types & é " ' ( - è _ ç à.
  addEventListener("keydown", e => {
    const hit = /^F\d+$/.test(e.key) && document.querySelector(`[data-key="${e.key}"]`);
    if (hit) { e.preventDefault(); hit.matches("input") ? (hit.focus(), hit.select()) : hit.click(); return; }
    if (e.ctrlKey && e.key === "Enter") { const f = e.target.closest("form") ?? document.querySelector("form[data-main]"); if (f) { e.preventDefault(); f.requestSubmit(); } return; }
    const group = e.target.closest?.("[data-digits]"), digit = /^(?:Digit|Numpad)([1-9])$/.exec(e.code)?.[1];
    if (group && digit && !e.ctrlKey && !e.altKey) {
      const input = group.querySelector(`input[data-digit="${digit}"]`);
      if (input) { e.preventDefault(); input.click(); document.querySelector(group.dataset.digits)?.focus(); }
    }
    const list = e.target.closest?.("[data-rove]");
    if (list && (e.key === "ArrowDown" || e.key === "ArrowUp")) {
      const items = $$("a,button", list), i = items.indexOf(document.activeElement) + (e.key === "ArrowDown" ? 1 : -1);
      if (items[i]) { e.preventDefault(); items[i].focus(); }
    }
  });
  addEventListener("click", e => {
    const open = e.target.closest("[data-open]"), close = e.target.closest("[data-close]"), theme = e.target.closest("[data-theme]"), copy = e.target.closest("[data-copy]");
    if (open) document.querySelector(open.dataset.open)?.showModal();
    if (close) close.closest("dialog").close();
    if (copy) navigator.clipboard?.writeText(copy.dataset.copy);
    if (theme) { const t = root.dataset.bsTheme === "dark" ? "light" : "dark"; root.dataset.bsTheme = t; store.set("theme", t); dispatchEvent(new Event("themechange")); }
  });
  // A box that scrolls sideways must be reachable by keyboard.
  const reach = () => { for (const el of $$(".scroll, .e-ladder, .e-nav")) el.scrollWidth > el.clientWidth ? el.tabIndex = 0 : el.removeAttribute("tabindex"); };
  addEventListener("resize", reach);
  // A dialog that comes as a fragment opens by itself.
  addEventListener("htmx:load", e => { tick(); reach(); if (e.target.matches?.("dialog[data-show]") && !e.target.open) e.target.showModal(); });
  addEventListener("DOMContentLoaded", () => { tick(); reach(); document.querySelector("[data-autofocus]")?.focus(); });
})();
