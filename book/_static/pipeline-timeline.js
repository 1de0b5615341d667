// Shows when each rank of a pipeline works and when it waits, for a schedule, a number of stages and of micro-batches.
(function () {
  "use strict";
  var root = document.getElementById("pipeline-timeline");
  if (!root) return;
  var make = window.fsllmTool.make, fill = window.fsllmTool.fill;
  var data = JSON.parse(root.querySelector(".interactive-data").textContent);
  var SVG = "http://www.w3.org/2000/svg", WIDE = 640, LEFT = 52, ROW = 24, BOTTOM = 22, CHUNK = 12;

  function draw(tag, attributes, text) {
    var element = document.createElementNS(SVG, tag);
    Object.keys(attributes).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function slider(id, most, value) {
    return make("input", { type: "range", id: id, min: 0, max: most, step: 1, value: value });
  }

  var kind = make("select", { id: "timeline-kind" }, data.kinds.map(function (name) { return make("option", { value: name }, [name]); }));
  var ranks = slider("timeline-ranks", data.ranks.length - 1, 2), micros = slider("timeline-micros", data.micros.length - 1, 3);
  var svg = draw("svg", { role: "img", "class": "pt-rows" });
  var status = make("p", { "class": "pt-status", role: "status" }), kept = make("p", { "class": "pt-kept" });
  root.appendChild(make("div", { "class": "pt fsllm-tool" }, [
    make("label", { "for": "timeline-kind" }, ["Schedule"]), kind,
    make("label", { "for": "timeline-ranks" }, ["Ranks"]), ranks,
    make("label", { "for": "timeline-micros" }, ["Micro-batches"]), micros, svg, status, kept,
    make("p", { "class": "fsllm-tool-legend" }, [
      "Time runs to the right, and each pass takes one unit: forward filled, backward outlined, with the number of its micro-batch. ",
      "Interleaved, a rank has two stages of half the layers, and the passes of the second are striped."
    ])
  ]));

  // Letters stand for micro-batches: the second half of them for a rank's second stage, capitals for backward passes.
  function pass(letter) {
    var at = letter.toLowerCase().charCodeAt(0) - 97;
    return { micro: at % CHUNK, second: at >= CHUNK, forward: letter === letter.toLowerCase() };
  }

  function show() {
    var p = data.ranks[Number(ranks.value)], m = data.micros[Number(micros.value)];
    var plan = data.plans[kind.value + " " + p + " " + m];
    ranks.setAttribute("aria-valuetext", p + " ranks");
    micros.setAttribute("aria-valuetext", m + " micro-batches");
    svg.textContent = "";
    if (!plan) {
      svg.setAttribute("viewBox", "0 0 " + WIDE + " " + ROW);
      svg.setAttribute("aria-label", "No timeline.");
      fill(status, ["Interleaving goes in rounds of as many micro-batches as there are ranks: " + m + " do not make whole rounds of " + p + "."]);
      fill(kept, [""]);
      return;
    }
    var units = plan.rows[0].length, step = (WIDE - LEFT) / units, busy = 0;
    svg.setAttribute("viewBox", "0 0 " + WIDE + " " + (p * ROW + BOTTOM));
    plan.rows.forEach(function (row, rank) {
      svg.appendChild(draw("text", { x: 0, y: rank * ROW + 16 }, "rank " + rank));
      row.split("").forEach(function (letter, at) {
        if (letter === ".") return;
        var one = pass(letter);
        busy += 1;
        svg.appendChild(draw("rect", { x: (LEFT + at * step).toFixed(2), y: rank * ROW + 2, width: (0.94 * step).toFixed(2), height: ROW - 4,
          "class": (one.forward ? "pt-forward" : "pt-backward") + (one.second ? " pt-second" : "") }));
        if (step > 9) svg.appendChild(draw("text", { x: (LEFT + (at + 0.47) * step).toFixed(2), y: rank * ROW + 16, "text-anchor": "middle",
          "class": one.forward ? "pt-on" : "pt-off" }, one.micro));
      });
    });
    svg.appendChild(draw("text", { x: LEFT, y: p * ROW + 16 }, "0"));
    svg.appendChild(draw("text", { x: WIDE, y: p * ROW + 16, "text-anchor": "end" }, units));
    var idle = 1 - busy / (units * p), chunks = kind.value === data.kinds[2] ? 2 : 1;
    var line = kind.value + ", " + p + " ranks, " + m + " micro-batches: " + (100 * idle).toFixed(1) + " % of all time is idle, (p − 1)/(" +
      (chunks > 1 ? "2" : "") + "m + p − 1) = " + (p - 1) + "/" + (chunks * m + p - 1) + ".";
    svg.setAttribute("aria-label", line);
    fill(status, [line]);
    fill(kept, ["For so many passes a rank keeps what backward needs, at most: " + plan.kept.join(", ") +
      (chunks > 1 ? ", each of half the layers." : ".")]);
  }

  [kind, ranks, micros].forEach(function (one) { one.addEventListener(one === kind ? "change" : "input", show); });
  show();
})();
