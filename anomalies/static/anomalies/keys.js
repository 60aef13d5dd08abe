// Keyboard shortcuts of lists and of the pages that ask before a decision. Each moves the focus, presses a button
// or follows a link of the page; the rows themselves are links and buttons, so Enter needs no code.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within?.querySelector(selector);
  const ROW = "#result_list tbody tr, [data-row]";
  const MAIN = ["summary.main", "th a", ".field-headline a", "td a", "input"];
  const PLACE = `row after a decision: ${location.pathname}`;
  const rows = () => all(ROW);
  const current = () => document.activeElement.closest(ROW);
  const go = (row) => {
    MAIN.map((selector) => one(selector, row))
      .find(Boolean)
      ?.focus();
    row?.scrollIntoView({ block: "nearest" });
  };
  const move = (by) => {
    const found = rows();
    const at = found.indexOf(current());
    go(found[at < 0 ? (by > 0 ? 0 : found.length - 1) : Math.min(Math.max(at + by, 0), found.length - 1)]);
  };
  const remember = (row) => sessionStorage.setItem(PLACE, Math.max(0, rows().indexOf(row)));

  // A row's own buttons, or those of the list for the selected rows; the current row if none is selected.
  const decide = (action) => {
    const row = current();
    const own = one(`button[name="action"][value="${action}"]`, row);
    if (own) {
      remember(row);
      own.form.requestSubmit(own);
      return;
    }
    const form = one("#changelist-form");
    const choice = one('select[name="action"]', form);
    const box = one("input.action-select", row);
    if (!choice || !one(`option[value="${action}"]`, choice)) return;
    if (!one("input.action-select:checked", form)) {
      if (!box) return;
      box.click();
    }
    remember(row || one("input.action-select:checked", form).closest("tr"));
    choice.value = action;
    one('button[name="index"]', form).click();
  };
  const help = one("dialog.shortcuts");
  const keys = {
    j: () => move(1),
    k: () => move(-1),
    x: () => one('input[type="checkbox"]', current())?.click(),
    e: () => one("summary", current())?.click(),
    a: () => decide("acknowledge"),
    d: () => decide("dismiss"),
    i: () => decide("investigate"),
    u: () => one("form.undo button")?.click(),
    "?": () => (help?.open ? help.close() : help?.showModal()),
  };
  const TEXT = "input:not([type=checkbox], [type=submit]), textarea, select, [contenteditable]";
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const reason = event.target.closest('.confirm select[name="reason"]');
    if (reason && event.key === "Enter" && reason.value) {
      event.preventDefault();
      reason.form.requestSubmit(one(".default", reason.form));
    } else if (!event.target.closest(TEXT) && keys[event.key] && (!help?.open || event.key === "?")) {
      event.preventDefault();
      keys[event.key]();
    }
  });

  for (const button of all("[data-opens-shortcuts]")) {
    button.hidden = !help;
    button.addEventListener("click", () => help.showModal());
  }
  const place = sessionStorage.getItem(PLACE);
  if (place !== null) {
    sessionStorage.removeItem(PLACE);
    const found = rows();
    go(found[Math.min(Number(place), found.length - 1)]);
  }
  one('.confirm select[name="reason"], .confirm .submit-row .default')?.focus();
})();
