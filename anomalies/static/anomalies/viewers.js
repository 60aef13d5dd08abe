// Says who else has this anomaly open. Only a visible tab asks, so that only it counts as looking.
(() => {
  const EVERY = 20_000;
  const place = document.querySelector("[data-viewers]");
  if (!place) return;
  let tag = "";
  let timer = 0;
  let isAsking = false;

  const ask = async () => {
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(place.dataset.viewers, { headers, redirect: "manual" });
    if (answer.status === 304) return;
    tag = answer.headers.get("ETag") ?? "";
    place.textContent = answer.ok ? (await answer.json()).words : "";
    if (!answer.ok) clearInterval(timer); // the session ended, or the anomaly is gone
  };
  const askIfVisible = async () => {
    if (document.visibilityState !== "visible" || isAsking) return;
    isAsking = true;
    try {
      await ask();
    } catch {
      place.textContent = ""; // no network: nobody is known to look; the next round asks again
      tag = "";
    } finally {
      isAsking = false;
    }
  };
  timer = setInterval(askIfVisible, EVERY);
  document.addEventListener("visibilitychange", askIfVisible);
  askIfVisible();
})();
