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
