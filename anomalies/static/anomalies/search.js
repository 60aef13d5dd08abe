// Completes the last word of the search. A browser completes the whole of a field, so that each word is
// offered after what is typed before it; within quotes none is.
(() => {
  const field = document.getElementById("searchbar");
  const list = field?.list;
  if (!list) return;
  const words = Array.from(list.options, (option) => option.value);
  let shown = "";
  const offer = () => {
    const isQuoted = field.value.split('"').length % 2 === 0;
    const before = isQuoted ? null : field.value.replace(/\S*$/, "");
    if (before === shown) return;
    shown = before;
    list.replaceChildren(...(isQuoted ? [] : words.map((word) => new Option("", before + word))));
  };
  field.addEventListener("input", offer);
  offer();
})();
