// Says above Locust's page where the newest run is, and, when it has been judged, what came out and where to read it.
(() => {
  "use strict";
  const EVERY_MS = 2000;
  const RUNS = "./proof/runs/";
  const OURS = ["patterns", "deployments", "regions"];
  const NEW_TAB = { target: "_blank" };
  const COLOURS = { PASS: "#2e9e5b", FAIL: "#d64545", UNKNOWN: "#c98a1b" };

  const line = document.createElement("div");
  line.id = "proof-now";
  line.setAttribute("role", "status");
  line.style.cssText =
    "display:none;gap:0.4em 1.2em;flex-wrap:wrap;align-items:baseline;padding:0.5em 1.5em;" +
    "font:14px/1.5 Roboto,Helvetica,Arial,sans-serif;background:#23272e;color:#f2f2f2";
  document.body.prepend(line);

  let now = null; // where the newest run is, as /proof/now says

  const worst = (answers) =>
    answers.includes("FAIL") ? "FAIL" : answers.includes("UNKNOWN") || !answers.length ? "UNKNOWN" : "PASS";
  const counted = (answers) =>
    ["PASS", "FAIL", "UNKNOWN"]
      .map((answer) => [answers.filter((each) => each === answer).length, answer])
      .filter(([n]) => n)
      .map(([n, answer]) => `${n} ${answer}`)
      .join(", ");

  function piece(tag, text, attributes = {}) {
    const element = document.createElement(tag);
    element.textContent = text; // never HTML: some of it came from servers
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  const link = (text, href, attributes = {}) => piece("a", text, { href, style: "color:#8ab4f8", ...attributes });

  function show() {
    const pieces = [piece("span", `Run ${now.run}`)];
    if (now.phase === "judged") {
      const answer = worst(now.answers);
      const style = `background:${COLOURS[answer]};color:#fff;border-radius:4px;padding:0 0.6em;font-weight:bold`;
      pieces.push(piece("span", answer, { style }), piece("span", counted(now.answers)));
    } else if (now.phase === "sending" && now.starts_in_s > 0) {
      pieces.push(piece("span", `starts in ${now.starts_in_s} s, with a fresh quota window`));
    } else {
      pieces.push(piece("span", now.phase), piece("span", `${now.sent.toLocaleString()} sent`));
    }
    for (const { title, href } of now.reports) pieces.push(link(title, RUNS + href, NEW_TAB));
    pieces.push(link("All runs", RUNS, NEW_TAB));
    line.replaceChildren(...pieces);
    line.style.display = "flex";
  }

  // Locust asks for its tables only while a run goes on, so our tabs need the page anew when the run has ended, and when
  // it has been judged: once each, and not while somebody is filling in a form on it.
  function refresh() {
    const tab = new URLSearchParams(location.search).get("tab");
    if (!now || now.phase === "sending" || !OURS.includes(tab) || document.querySelector("[role=dialog]")) return;
    const needed = `${now.run} ${now.phase}`;
    if (sessionStorage.getItem(line.id) === needed) return;
    sessionStorage.setItem(line.id, needed);
    location.reload();
  }

  let shown = "";
  async function ask() {
    if (document.hidden) return;
    try {
      const answer = await fetch("./proof/now");
      const text = await answer.text();
      if (answer.ok && text !== shown) {
        shown = text;
        now = JSON.parse(text);
        if (now) show();
      }
    } catch {
      // Locust has ended, and its own page says so.
    }
    refresh();
  }
  document.addEventListener("click", () => setTimeout(refresh)); // it may have opened one of our tabs
  setInterval(ask, EVERY_MS);
  ask();
})();
