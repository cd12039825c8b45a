// Keeps the page up to date without moving it: asks for it again and puts the new figures in the place of the old.
// Everything works without this file; the page then reloads itself.
"use strict";
(() => {
  const everyMs = 10_000;
  const state = document.getElementById("state");
  const content = document.getElementById("content");
  const pause = document.getElementById("pause");
  let paused = false;

  // A person who reads, selects or has the keyboard inside is not disturbed.
  const isBusy = () =>
    paused || document.hidden || !getSelection().isCollapsed || content.contains(document.activeElement);

  const complain = (text) => {
    state.replaceChildren(Object.assign(document.createElement("p"), { className: "trouble", textContent: text }));
  };

  const update = async () => {
    if (isBusy()) return;
    let response;
    try {
      response = await fetch("/", { signal: AbortSignal.timeout(everyMs) });
    } catch {
      complain("The daemon does not answer. These figures are the last that it gave.");
      return;
    }
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const [newState, newContent] = [page.getElementById("state"), page.getElementById("content")];
    if (!response.ok || !newState || !newContent || isBusy()) return;
    const open = [...content.querySelectorAll("details[open]")].map((details) => details.id);
    for (const id of open) newContent.querySelector("#" + CSS.escape(id))?.setAttribute("open", "");
    state.replaceChildren(...newState.childNodes);
    content.replaceChildren(...newContent.childNodes);
  };

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    if (!paused) update();
  });
  setInterval(update, everyMs);
  document.addEventListener("visibilitychange", update);
})();
