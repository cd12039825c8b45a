// Keeps the page up to date without moving it: asks for it again and puts the new figures in the place of the old.
// Everything works without this file; the page then reloads itself.
"use strict";
(() => {
  const everyMs = 10_000;
  const state = document.getElementById("state");
  const content = document.getElementById("content");
  const pause = document.getElementById("pause");
  let paused = false;

  // A person who has paused it, looks elsewhere or selects text is not disturbed.
  const isBusy = () => paused || document.hidden || !getSelection().isCollapsed;

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
    if (!response.ok) {
      complain("The figures could not be read in time. These are the last ones.");
      return;
    }
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const [newState, newContent] = [page.getElementById("state"), page.getElementById("content")];
    if (!newState || !newContent || isBusy()) return;
    // What was opened stays open, and the keyboard stays where it was.
    const open = [...content.querySelectorAll("details[open]")].map((details) => details.id);
    const focused = content.contains(document.activeElement) && document.activeElement.closest("details")?.id;
    for (const id of open) newContent.querySelector("#" + CSS.escape(id))?.setAttribute("open", "");
    state.replaceChildren(...newState.childNodes);
    content.replaceChildren(...newContent.childNodes);
    if (focused) content.querySelector("#" + CSS.escape(focused) + " > summary")?.focus({ preventScroll: true });
  };

  pause.hidden = false;
  pause.setAttribute("aria-pressed", "false");
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    if (!paused) update();
  });
  setInterval(update, everyMs);
  document.addEventListener("visibilitychange", update);
})();
