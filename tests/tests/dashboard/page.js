// What can be wrong with the page that a browser forgives: a list of sentences, empty when all is well.
const wrong = [];
const all = (selector) => [...document.querySelectorAll(selector)];

if (document.compatMode !== "CSS1Compat") wrong.push("the page is in quirks mode");
if (!document.documentElement.lang) wrong.push("the page has no language");
if (all("h1").length !== 1) wrong.push("there is not exactly one h1");
if (all("main").length !== 1) wrong.push("there is not exactly one main");

const ids = all("[id]").map((element) => element.id);
for (const id of ids.filter((id, at) => ids.indexOf(id) !== at)) wrong.push(`the id ${id} is there twice`);
for (const element of all("[aria-labelledby]")) {
  for (const id of element.getAttribute("aria-labelledby").split(" ")) {
    if (!document.getElementById(id)) wrong.push(`a label ${id} is missing`);
  }
}
for (const image of all("img:not([alt])")) wrong.push(`the image ${image.src} has no alternative`);
for (const table of all("table")) {
  if (!table.caption) wrong.push("a table has no caption");
  for (const th of table.querySelectorAll("th:not([scope])")) wrong.push(`the header ${th.textContent} has no scope`);
  const columns = [...table.querySelectorAll("thead th")].map((th) => th.textContent);
  for (const row of table.tBodies[0].rows) {
    const named = [...row.cells].map((cell) => cell.dataset.column);
    if (named.join() !== columns.join()) wrong.push(`a row has the columns ${named} under ${columns}`);
  }
}
if (document.documentElement.scrollWidth > innerWidth) wrong.push(`the page is ${document.documentElement.scrollWidth} px wide`);

// Contrast of every text that is seen against the ground that it stands on.
const parts = (color) => color.match(/[\d.]+/g).map(Number);
const luminance = ([r, g, b]) => {
  const linear = [r, g, b].map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = parts(getComputedStyle(at).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
for (const details of all("details")) details.open = true;
let texts = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
  if (["TITLE", "DESC", "SCRIPT"].includes(element.tagName.toUpperCase())) continue;
  const style = getComputedStyle(element);
  const color = parts(element instanceof SVGElement ? style.fill : style.color);
  const [light, dark] = [luminance(color), luminance(ground(element))].sort((a, b) => b - a);
  const ratio = (light + 0.05) / (dark + 0.05);
  texts += 1;
  if (ratio < 4.5) wrong.push(`"${walker.currentNode.textContent.trim()}" has a contrast of ${ratio.toFixed(2)}`);
}
for (const details of all("details")) details.open = false;
if (texts < 40) wrong.push(`there are only ${texts} texts`);
return wrong;
