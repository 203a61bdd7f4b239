"use strict";
// Figures under the pointer. All of them are in the tables and in the charts as well.
for (const svg of document.querySelectorAll("figure svg")) {
  const lines = [...svg.querySelectorAll("g.line[data-name]")].map(read).filter((line) => line.points.length > 0);
  if (lines.length === 0) continue;
  let box = null;
  const cursor = svg.querySelector(".cursor");

  svg.addEventListener("pointermove", (event) => {
    if (box === null) begin();
    const matrix = svg.getScreenCTM();
    if (matrix === null) return;
    const x = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse()).x;
    const nearest = lines.map((line) => ({ line, point: closest(line.points, x) }));
    nearest.sort((a, b) => a.point.y - b.point.y);
    const at = nearest.reduce((a, b) => (Math.abs(b.point.x - x) < Math.abs(a.point.x - x) ? b : a)).point;
    box.replaceChildren(element("strong", "", at.at), ...nearest.map(({ line, point }) => {
      const row = element("div", "", "");
      const name = element("span", "", line.name);
      name.style.borderLeftColor = `var(--${line.style})`;
      row.append(name, element("b", "", point.says));
      return row;
    }));
    cursor.setAttribute("x1", at.x);
    cursor.setAttribute("x2", at.x);
    place(event);
  });
  svg.addEventListener("pointerleave", () => {
    if (box !== null) box.hidden = true;
    cursor.style.visibility = "hidden";
  });

  function begin() {
    // The title is shown by browsers as a read-out of its own, above ours.
    const title = svg.querySelector(":scope > title");
    if (title !== null) {
      svg.setAttribute("aria-label", title.textContent);
      title.remove();
    }
    box = element("div", "read", "");
    box.setAttribute("aria-hidden", "true");
    svg.parentElement.append(box);
  }

  function place(event) {
    box.hidden = false;
    cursor.style.visibility = "visible";
    const frame = svg.parentElement.getBoundingClientRect();
    const [left, top] = [event.clientX - frame.left, event.clientY - frame.top];
    const isRight = left > frame.width / 2;
    box.style.left = `${Math.max(0, isRight ? left - box.offsetWidth - 14 : left + 14)}px`;
    box.style.top = `${top + 14}px`;
  }
}

// A line of a chart: its name, its look, and for each point the place and the words.
function read(group) {
  const polyline = group.querySelector("polyline");
  const places = (polyline.getAttribute("points") || "").split(" ").filter((pair) => pair !== "");
  const says = (group.dataset.says || "").split("|");
  const points = places.map((pair, order) => {
    const [x, y] = pair.split(",").map(Number);
    const [at, figure] = (says[order] || "").split("~");
    return { x, y, at, says: figure || "" };
  });
  return { name: group.dataset.name, style: group.classList[1], points };
}

function closest(points, x) {
  return points.reduce((a, b) => (Math.abs(b.x - x) < Math.abs(a.x - x) ? b : a));
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className !== "") made.className = className;
  made.textContent = text;
  return made;
}

// What is folded away is to be on paper, and folded away again after.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details:not([open])")) {
    folded.open = true;
    folded.dataset.unfolded = "";
  }
});
addEventListener("afterprint", () => {
  for (const unfolded of document.querySelectorAll("details[data-unfolded]")) {
    unfolded.open = false;
    delete unfolded.dataset.unfolded;
  }
});
