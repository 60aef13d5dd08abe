// The card: Enter takes the proposed decision, the evidence opens at the odd line, print shows what is folded.
(() => {
  const odd = document.getElementById("odd");
  const list = odd?.closest(".events");
  if (list) {
    list.scrollTop += odd.getBoundingClientRect().top - list.getBoundingClientRect().top - list.clientHeight / 3;
  }

  const busy = (target) => target.closest("a, button, input, select, textarea, summary, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const agree = document.querySelector("button.agree");
    if (!agree || event.defaultPrevented || busy(event.target)) return;
    event.preventDefault();
    agree.click();
  });

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(".anomaly-page details:not([open])")];
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of opened) each.open = false;
  });
})();
