// Moves through the recorded training of the course's base: its loss, and what it said of Ada at each stop.
(function () {
  "use strict";
  var root = document.getElementById("loss-scrubber");
  if (!root) return;
  var make = window.fsllmTool.make, fill = window.fsllmTool.fill;
  var data = JSON.parse(root.querySelector(".interactive-data").textContent);
  var last = data.losses.length * data.width, SVG = "http://www.w3.org/2000/svg";
  var WIDE = 640, HIGH = 220, LEFT = 40, RIGHT = 12, TOP = 10, BOTTOM = 28, MOST = 7;

  function draw(tag, attributes, text) {
    var element = document.createElementNS(SVG, tag);
    Object.keys(attributes).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    if (text !== undefined) element.textContent = text;
    return element;
  }

  // Steps on a logarithmic axis that has a zero, so that the first stops do not lie on one another.
  function x(step) { return LEFT + (WIDE - LEFT - RIGHT) * Math.log(1 + step / 20) / Math.log(1 + last / 20); }

  function y(loss) { return TOP + (HIGH - TOP - BOTTOM) * (1 - loss / MOST); }

  // The mean of the ten steps that end at a stop; before the first step, of those that begin there.
  function lossAt(step) { return data.losses[Math.max(0, Math.round(step / data.width) - 1)]; }

  var svg = draw("svg", { viewBox: "0 0 " + WIDE + " " + HIGH, role: "img", "class": "ls-curve",
    "aria-label": "The loss of base over " + last + " steps, from " + data.losses[0].toFixed(1) + " to " + data.losses[data.losses.length - 1].toFixed(2) + " nats a token." });
  [0, 2, 4, 6].forEach(function (level) {
    svg.appendChild(draw("line", { x1: LEFT, x2: WIDE - RIGHT, y1: y(level), y2: y(level), "class": "ls-grid" }));
    svg.appendChild(draw("text", { x: LEFT - 8, y: y(level) + 4, "text-anchor": "end" }, level));
  });
  [0, 20, 100, 500, 1000, 2000, 4000].forEach(function (step) {
    svg.appendChild(draw("text", { x: x(step), y: HIGH - 8, "text-anchor": step === last ? "end" : "middle" }, step));
  });
  svg.appendChild(draw("polyline", { "class": "ls-line", points: data.losses.map(function (loss, i) {
    return x((i + 0.5) * data.width).toFixed(1) + "," + y(loss).toFixed(1);
  }).join(" ") }));
  var needle = draw("line", { y1: TOP, y2: HIGH - BOTTOM, "class": "ls-needle" });
  var dot = draw("circle", { r: 5, "class": "ls-dot" });
  svg.appendChild(needle);
  svg.appendChild(dot);

  var range = make("input", { type: "range", id: "loss-stop", min: 0, max: data.stops.length - 1, step: 1, value: 0 });
  var status = make("p", { "class": "ls-status", role: "status" });
  var said = make("dl", { "class": "ls-said" });
  root.appendChild(make("div", { "class": "ls fsllm-tool" }, [
    svg,
    make("label", { "for": "loss-stop" }, ["Step"]), range, status, said,
    make("p", { "class": "fsllm-tool-legend" }, [
      "Loss in nats a token, the mean of ten steps; the axis of steps is logarithmic. ",
      "Below it, how the model at that step goes on, greedily, from four beginnings; a dot stands for a character that no font draws."
    ])
  ]));

  function show() {
    var stop = data.stops[Number(range.value)];
    var at = x(stop.step), loss = lossAt(stop.step);
    needle.setAttribute("x1", at);
    needle.setAttribute("x2", at);
    dot.setAttribute("cx", at);
    dot.setAttribute("cy", y(loss));
    var line = "Step " + stop.step.toLocaleString("en") + ": loss " + loss.toFixed(2) + ", " +
      Math.round(stop.facts * data.items) + " of " + data.items + " facts right.";
    range.setAttribute("aria-valuetext", line);
    fill(status, [line]);
    fill(said, data.prompts.map(function (prompt, i) {
      return make("div", {}, [
        make("dt", {}, [prompt.replace("\n", "")]),
        make("dd", {}, [stop.said[i].replace(/^\s+/, "")])
      ]);
    }));
  }

  range.addEventListener("input", show);
  range.value = String(data.stops.length - 1);
  show();
})();
