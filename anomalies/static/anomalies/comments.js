// Comments: what is typed after an @ is completed to a username. Without this script the name is typed in full.
(() => {
  const form = document.getElementById("comment-form");
  const text = form?.querySelector("textarea");
  const names = form?.querySelector(".names");
  if (!text || !names) return;
  const known = [...document.querySelectorAll("#viewers option")].map((option) => option.value);
  const MOST = 8;

  const typed = () => /(?:^|[^\w.@+-])@([\w.@+-]*)$/u.exec(text.value.slice(0, text.selectionStart))?.[1];
  const take = (name) => {
    const at = text.selectionStart - typed().length;
    text.setRangeText(`${name} `, at, text.selectionStart, "end");
    names.hidden = true;
    text.focus();
  };
  text.addEventListener("input", () => {
    const begun = typed()?.toLowerCase();
    const found = begun === undefined ? [] : known.filter((name) => name.toLowerCase().startsWith(begun)).slice(0, MOST);
    names.replaceChildren(
      ...found.map((name) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "button";
        button.textContent = `@${name}`;
        button.addEventListener("click", () => take(name));
        return button;
      }),
    );
    names.hidden = !found.length;
  });
})();
