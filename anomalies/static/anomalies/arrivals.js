// Says how many anomalies arrived since the page was opened. Rows never move by themselves: a link shows them.
(() => {
  const EVERY = 20_000;
  const place = document.querySelector("[data-arrivals]");
  if (!place) return;
  const [words, link] = [place.querySelector("span"), place.querySelector("a")];
  const title = document.title;
  const address = new URL(place.dataset.arrivals, location.href);
  let tag = "";
  let timer = 0;
  let isAsking = false;

  const say = (text, action) => {
    words.textContent = text;
    link.textContent = action;
    link.hidden = !action;
  };
  const ask = async () => {
    if (!address.searchParams.has("stored_after")) {
      // What the page shows may be older than the page: it was read from a replica.
      const behind = Number(place.dataset.behind ?? 0);
      address.searchParams.set("age", Math.round(performance.now() + behind));
    }
    const answer = await fetch(address, { headers: tag ? { "If-None-Match": tag } : {}, redirect: "manual" });
    if (answer.type === "opaqueredirect") {
      say(place.dataset.expired, place.dataset.logIn);
      clearInterval(timer);
      return;
    }
    if (!answer.ok) return;
    const found = await answer.json();
    tag = answer.headers.get("ETag") ?? "";
    address.searchParams.delete("age");
    address.searchParams.set("stored_after", found.since);
    if (!found.count) return;
    say(place.dataset.new.replace("{count}", found.new), place.dataset.show);
    document.title = `(${found.new}) ${title}`;
  };
  const askIfVisible = async () => {
    if (document.visibilityState !== "visible" || isAsking) return;
    isAsking = true;
    try {
      await ask();
    } catch {
      // No network: the next round asks again.
    } finally {
      isAsking = false;
    }
  };
  timer = setInterval(askIfVisible, EVERY);
  document.addEventListener("visibilitychange", askIfVisible);
})();
