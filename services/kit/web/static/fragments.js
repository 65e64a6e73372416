// When a request of htmx fails: a slot keeps what it shows, says how old it is and offers to try again; a form keeps what was typed.
(() => {
  const { hour, words } = window.entraide, region = document.getElementById("e-problem");
  const isSlot = el => el?.hasAttribute?.("data-slot");
  const drop = slot => slot.querySelector(":scope > [data-late]")?.remove();

  const late = slot => {
    drop(slot);
    const note = document.getElementById("e-late").content.cloneNode(true);
    slot.prepend(note);
    slot.removeAttribute("aria-busy");
    slot.querySelector("[data-late] [role=status]").textContent = slot.dataset.at ? words.stale(slot.dataset.at) : words.silent(hour());
  };
  const tell = sentence => {
    const note = document.createElement("div");
    note.className = "e-note bad late";
    note.textContent = sentence;
    region.replaceChildren(note);
  };
  const slotOf = el => isSlot(el) ? el : el?.matches?.("[data-poll]") ? el.closest("[data-slot]") : null;
  const fail = (el, sentence) => slotOf(el) ? late(slotOf(el)) : tell(sentence);

  // A panel that asks for itself again now and then does not while somebody works in it; nor does a slot upon news, while its form is filled in.
  document.addEventListener("htmx:confirm", e => {
    const el = e.detail.elt, within = el.contains(document.activeElement);
    if (el.matches("[data-poll]") && (within || el.querySelector("details[open]"))) e.preventDefault();
    if (isSlot(el) && e.detail.triggeringEvent?.type === "live" && within && el.querySelector("details[open] form")) e.preventDefault();
  });

  document.addEventListener("htmx:beforeRequest", e => { if (isSlot(e.detail.elt)) e.detail.elt.setAttribute("aria-busy", "true"); });
  document.addEventListener("htmx:sendError", e => fail(e.detail.elt, words.unreachable));
  document.addEventListener("htmx:timeout", e => fail(e.detail.elt, words.unreachable));
  document.addEventListener("htmx:beforeSwap", e => {
    const { xhr, requestConfig } = e.detail, html = xhr.getResponseHeader("content-type")?.startsWith("text/html");
    if (xhr.status < 400 || (html && !slotOf(requestConfig.elt))) return;
    e.detail.shouldSwap = false;
    fail(requestConfig.elt, words.refused);
  });
  document.addEventListener("htmx:afterRequest", e => {
    const el = e.detail.elt;
    if (!e.detail.successful) return;
    const slot = slotOf(el);
    if (slot) { drop(slot); slot.dataset.at = hour(); slot.removeAttribute("aria-busy"); }
    else if (e.detail.requestConfig.verb !== "get") region.replaceChildren();
  });
  document.addEventListener("click", e => {
    const retry = e.target.closest("[data-retry]");
    if (retry) htmx.trigger(retry.closest("[data-slot]"), "retry");
  });
})();
