// Keyboard shortcuts of the queue. Each presses a button or follows a link of the page.
(() => {
  const press = (selector) => document.querySelector(selector)?.click();
  const focus = (selector) => document.querySelector(selector)?.focus();
  const keys = {
    a: () => press('.decision button[value="acknowledge"]'),
    d: () => focus('.decision select[name="reason"]'),
    i: () => press('.decision button[value="investigate"]'),
    n: () => focus('.decision textarea[name="note"]'),
    m: () => press('.hold button[name="mine"]'),
    z: () => {
      press('.hold details:not([open]) > summary');
      focus('.hold select[name="span"]');
    },
    u: () => press("form.undo button"),
    j: () => press('.queue-bar [data-key="j"]'),
    k: () => press('.queue-bar [data-key="k"]'),
    "?": () => press('.queue-bar [data-key="?"]'),
  };
  // The half-written note stays in this browser, by person, anomaly and version: through skipping, an expired
  // session and the login. A decision changes the version, so its note is not offered again.
  const note = document.querySelector('.decision textarea[name="note"]');
  const version = document.querySelector('.decision input[name="version"]')?.value;
  const person = document.querySelector("#user-tools strong")?.textContent ?? "";
  const PREFIX = "half-written note: ";
  const own = `${PREFIX}${person} ${location.pathname} ${version}`;
  const KEPT = 50;
  const drop = () => {
    const kept = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    const age = (key) => JSON.parse(localStorage.getItem(key)).at;
    kept.sort((one, other) => age(one) - age(other));
    kept.slice(0, -KEPT).forEach((key) => localStorage.removeItem(key));
  };
  if (note && version) {
    const kept = localStorage.getItem(own);
    if (kept && !note.value) note.value = JSON.parse(kept).text;
    note.addEventListener("input", () => {
      if (!note.value) return localStorage.removeItem(own);
      localStorage.setItem(own, JSON.stringify({ text: note.value, at: Date.now() }));
      drop();
    });
  }

  // Progress of this tab: how many decisions, of how many, and how many a minute.
  const place = document.querySelector("[data-waiting]");
  const progress = JSON.parse(sessionStorage.getItem("triage")) ?? { done: 0, since: Date.now() };
  document.querySelector(".decision form")?.addEventListener("submit", (event) => {
    if (event.submitter?.value === "note") return;
    progress.done += 1;
    sessionStorage.setItem("triage", JSON.stringify(progress));
  });
  const waiting = place?.dataset.waiting ?? "";
  if (place && progress.done) {
    const all = Number(waiting.replace(/\D/g, "")) + progress.done;
    const minutes = Math.max(1, (Date.now() - progress.since) / 60_000);
    const rate = Math.round(progress.done / minutes);
    const more = waiting.endsWith("+") ? "+" : "";
    const said = { done: progress.done, all: `${all.toLocaleString(document.documentElement.lang)}${more}`, rate };
    place.textContent = `${place.dataset.words.replace(/\{(\w+)\}/g, (_, name) => said[name])} · `;
  }

  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const reason = event.target.closest('.decision select[name="reason"]');
    if (reason && event.key === "Enter" && reason.value) {
      event.preventDefault();
      press('.decision button[value="dismiss"]');
    } else if (!typing(event.target) && keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });
})();
