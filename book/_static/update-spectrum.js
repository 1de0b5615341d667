// Cuts the change that made sft out of base to a rank, and shows what is left of it: directions, exam, answers, merge.
(function () {
  "use strict";
  var root = document.getElementById("update-spectrum");
  if (!root) return;
  var make = window.fsllmTool.make, fill = window.fsllmTool.fill;
  var data = JSON.parse(root.querySelector(".interactive-data").textContent);
  var SVG = "http://www.w3.org/2000/svg", WIDE = 640, HIGH = 200, LEFT = 40, RIGHT = 12, TOP = 10, BOTTOM = 28;

  function draw(tag, attributes, text) {
    var element = document.createElementNS(SVG, tag);
    Object.keys(attributes).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function percent(share) { return (100 * share).toFixed(1) + " %"; }

  // The share of the squared norm that the strongest directions hold.
  function energy(values, rank) {
    var all = 0, held = 0;
    values.forEach(function (s, i) { all += s * s; if (i < rank) held += s * s; });
    return held / all;
  }

  var matrix = make("select", { id: "spectrum-matrix" }, data.matrices.map(function (one, i) {
    return make("option", { value: i }, [one.name]);
  }));
  var range = make("input", { type: "range", id: "spectrum-rank", min: 0, max: data.stops.length - 1, step: 1, value: 3 });
  var svg = draw("svg", { viewBox: "0 0 " + WIDE + " " + HIGH, role: "img", "class": "us-bars" });
  var status = make("p", { "class": "us-status", role: "status" });
  var said = make("dl", { "class": "us-said" }), merge = make("p", { "class": "us-merge" });
  root.appendChild(make("div", { "class": "us fsllm-tool" }, [
    make("label", { "for": "spectrum-matrix" }, ["Matrix"]), matrix, svg,
    make("label", { "for": "spectrum-rank" }, ["Directions kept in each matrix"]), range, status, said, merge,
    make("p", { "class": "fsllm-tool-legend" }, [
      "A bar is a singular value of what fine-tuning added to the matrix; the dashed line has those of noise of the same norm. ",
      "The slider cuts all 28 matrices at once; ■ is the stop token."
    ])
  ]));

  function show() {
    var one = data.matrices[Number(matrix.value)], stop = data.stops[Number(range.value)], values = one.values;
    var most = Math.max(values[0], one.noise[0]), step = (WIDE - LEFT - RIGHT) / values.length, floor = HIGH - BOTTOM;
    function y(s) { return TOP + (floor - TOP) * (1 - s / most); }
    svg.textContent = "";
    values.forEach(function (s, i) {
      svg.appendChild(draw("rect", { x: (LEFT + i * step).toFixed(2), width: (0.8 * step).toFixed(2), y: y(s).toFixed(2),
        height: (floor - y(s)).toFixed(2), "class": i < stop.rank ? "us-kept" : "us-left" }));
    });
    svg.appendChild(draw("polyline", { "class": "us-noise", points: one.noise.map(function (s, i) {
      return (LEFT + (i + 0.4) * step).toFixed(1) + "," + y(s).toFixed(1);
    }).join(" ") }));
    svg.appendChild(draw("text", { x: LEFT - 6, y: TOP + 8, "text-anchor": "end" }, most.toFixed(2)));
    svg.appendChild(draw("text", { x: LEFT - 6, y: floor, "text-anchor": "end" }, "0"));
    svg.appendChild(draw("text", { x: LEFT, y: HIGH - 8 }, "1"));
    svg.appendChild(draw("text", { x: WIDE - RIGHT, y: HIGH - 8, "text-anchor": "end" }, values.length));
    svg.setAttribute("aria-label", values.length + " singular values, from " + values[0] + " down to " +
      values[values.length - 1] + "; the first " + Math.min(stop.rank, values.length) + " are kept.");
    var line = "Rank " + stop.rank + ": " + percent(energy(values, stop.rank)) + " of this matrix's squared change kept; loss " +
      stop.loss.toFixed(2) + "; of " + data.questions + " answers " + percent(stop.form) + " in form, " + percent(stop.right) + " right.";
    range.setAttribute("aria-valuetext", line);
    fill(status, [line]);
    fill(said, data.asked.map(function (question, i) {
      return make("div", {}, [make("dt", {}, [question]), make("dd", {}, [stop.said[i]])]);
    }));
    if (!stop.merged) {
      fill(merge, [stop.rank ? "At full rank an adapter saves nothing, and was not merged." : "Nothing is added, so there is nothing to merge."]);
      return;
    }
    var same = data.asked.filter(function (_, i) { return stop.merged.said[i] === stop.said[i]; }).length;
    fill(merge, ["Merged in bf16: loss " + stop.merged.merged.toFixed(4) + " where it was " + stop.merged.apart.toFixed(4) + "; " +
      percent(stop.merged.unmoved) + " of the weights did not move, and taking the update out again leaves " +
      percent(stop.merged.lost) + " of them elsewhere; " + same + " of the " + data.asked.length + " answers are the same."]);
  }

  range.addEventListener("input", show);
  matrix.addEventListener("change", show);
  range.value = "3";
  show();
})();
