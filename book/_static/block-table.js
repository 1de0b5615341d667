// Plays a recorded trace of the engine: which sequence holds which block of the cache, step by step.
(function () {
  "use strict";
  var root = document.getElementById("block-table");
  if (!root) return;
  var make = window.fsllmTool.make, fill = window.fsllmTool.fill;
  var data = JSON.parse(root.querySelector(".interactive-data").textContent);
  var last = data.steps.length - 1, timer = null;

  var play = make("button", { type: "button" }, ["Play"]);
  var back = make("button", { type: "button" }, ["Step back"]), on = make("button", { type: "button" }, ["Step"]);
  var range = make("input", { type: "range", id: "block-table-step", min: 0, max: last, step: 1, value: 0 });
  var status = make("p", { "class": "bt-status", role: "status" });
  var memory = make("div", { "class": "bt-memory", role: "img" });
  var tables = make("tbody", {});
  root.appendChild(make("div", { "class": "bt fsllm-tool" }, [
    make("div", { "class": "bt-buttons" }, [play, back, on]),
    make("label", { "for": "block-table-step" }, ["Step of the engine"]), range, status, memory,
    make("div", { "class": "bt-scroll", tabindex: "0" }, [make("table", {}, [
      make("thead", {}, [make("tr", {}, ["Sequence", "State", "Block table", "Stored", "Answer so far"].map(function (head) {
        return make("th", { scope: "col" }, [head]);
      }))]), tables
    ])]),
    make("p", { "class": "fsllm-tool-legend" }, [
      "Each box is a block of " + data.size + " slots; a filled slot holds the keys and values of a token. ",
      "A block with two letters is shared. An idle block is held by nobody, but can still be found by what it holds."
    ])
  ]));

  // For each block, the rows that hold it and how many of its slots are filled.
  function holders(step) {
    var found = [];
    for (var block = 0; block < data.blocks; block++) found.push({ rows: [], filled: 0 });
    step.rows.forEach(function (row) {
      row[5].forEach(function (block, at) {
        found[block].rows.push(row);
        found[block].filled = Math.max(found[block].filled, Math.min(data.size, row[3] - at * data.size));
      });
    });
    return found;
  }

  function box(block, one, idle) {
    var names = one.rows.map(function (row) { return row[0]; });
    var owner = one.rows.length ? " bt-" + one.rows[0][1] : idle ? " bt-idle" : "";
    var slots = [];
    for (var at = 0; at < data.size; at++) {
      slots.push(make("span", { "class": at < one.filled || (idle && !names.length) ? "bt-full" : "bt-empty" }));
    }
    return make("div", { "class": "bt-block" + owner + (names.length > 1 ? " bt-shared" : "") }, [
      make("span", { "class": "bt-number" }, [String(block)]),
      make("span", { "class": "bt-names" }, [names.join(" ") || (idle ? "idle" : "free")]),
      make("span", { "class": "bt-slots" }, slots)
    ]);
  }

  function show() {
    var number = Number(range.value), step = data.steps[number], held = 0, used = 0, shared = 0;
    var boxes = holders(step).map(function (one, block) {
      if (one.rows.length) { held += data.size; used += one.filled; }
      if (one.rows.length > 1) shared += 1;
      return box(block, one, step.idle.indexOf(block) >= 0);
    });
    fill(memory, boxes);
    memory.setAttribute("aria-label", held / data.size + " of " + data.blocks + " blocks are held, " + shared +
      " of them shared, and " + step.idle.length + " are idle.");
    var said = step.events.join("; "), line = "Step " + (number + 1) + " of " + (last + 1) + ": " + said;
    if (said.slice(-1) !== "”") line += "."; // a quoted sentence has its own
    range.setAttribute("aria-valuetext", line);
    fill(status, [line, make("br", {}), used + " of " + held + " held slots are filled."]);
    fill(tables, step.rows.map(function (row) {
      return make("tr", {}, [
        make("th", { scope: "row", "class": "bt-" + row[1] }, [row[0]]), make("td", {}, [row[2] ? "runs" : "waits"]),
        make("td", {}, [row[5].join(" ") || "–"]), make("td", {}, [row[3] + " of " + row[4]]),
        make("td", {}, [row[6].replace(/\n/g, " ↵ ")])
      ]);
    }));
    back.setAttribute("aria-disabled", String(number === 0));
    on.setAttribute("aria-disabled", String(number === last));
  }

  function go(number) {
    range.value = String(Math.max(0, Math.min(last, number)));
    show();
  }

  function stop() {
    if (timer !== null) window.clearInterval(timer);
    timer = null;
    fill(play, ["Play"]);
    status.setAttribute("aria-live", "polite");
  }

  play.addEventListener("click", function () {
    if (timer !== null) { stop(); return; }
    if (Number(range.value) === last) go(0);
    fill(play, ["Pause"]);
    status.setAttribute("aria-live", "off"); // read out at every step, it would never end
    timer = window.setInterval(function () {
      go(Number(range.value) + 1);
      if (Number(range.value) === last) stop();
    }, 900);
  });
  back.addEventListener("click", function () { stop(); go(Number(range.value) - 1); });
  on.addEventListener("click", function () { stop(); go(Number(range.value) + 1); });
  range.addEventListener("input", function () { stop(); show(); });
  show();
})();
