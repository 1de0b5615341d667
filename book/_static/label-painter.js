// Colours the tokens of two conversations by whether the loss is taken on them, under four switches.
(function () {
  "use strict";
  var root = document.getElementById("label-painter");
  if (!root) return;
  var make = window.fsllmTool.make, fill = window.fsllmTool.fill;
  var data = JSON.parse(root.querySelector(".interactive-data").textContent);
  var TEXT = 0, ROLE = 1, OWN = 2, LAST = 3, STOP = 4;
  var longest = Math.max.apply(null, data.talks.map(function (talk) { return talk.length; }));
  var together = data.talks.reduce(function (sum, talk) { return sum + talk.length; }, 0);

  function option(value, text) { return make("option", { value: value }, [text]); }

  var which = make("select", { id: "lp-which" }, [
    option("assistant", "what the assistant wrote"), option("last", "its last turn only"), option("all", "all tokens")
  ]);
  var stop = make("input", { type: "checkbox", id: "lp-stop", checked: "" });
  var layout = make("select", { id: "lp-layout" }, [
    option("padded", "a row for each, padded"), option("packed", "both in one row, packed")
  ]);
  var cut = make("input", { type: "range", id: "lp-cut", min: 8, max: longest, step: 1, value: longest });
  var status = make("p", { "class": "lp-status", role: "status" });
  var warning = make("p", { "class": "lp-warning" });
  var rows = make("div", { "class": "lp-rows" });
  root.appendChild(make("div", { "class": "lp fsllm-tool" }, [
    make("div", { "class": "lp-switches" }, [
      make("div", {}, [make("label", { "for": "lp-which" }, ["The loss is taken on"]), which]),
      make("div", {}, [make("label", { "for": "lp-layout" }, ["Rows"]), layout]),
      make("div", { "class": "lp-check" }, [stop, make("label", { "for": "lp-stop" }, ["stop tokens have labels"])]),
      make("div", { "class": "lp-wide" }, [make("label", { "for": "lp-cut" }, ["Rows are cut after"]), cut])
    ]),
    status, warning, rows,
    make("p", { "class": "fsllm-tool-legend" }, [
      "Trained tokens are filled and underlined. ␣ is a space, ↵ a line break. The first token of a packed conversation has no label: what stands before it is another one."
    ])
  ]));

  // A token of a row: its text and role, whether it has a label, and whether it ends or begins something.
  function laid() {
    var found = data.talks.map(function (talk) {
      return talk.map(function (token, at) {
        var mine = which.value === "all" ? at > 0 : token[which.value === "last" ? LAST : OWN] === 1;
        return { text: token[TEXT], role: token[ROLE], stop: token[STOP] === 1, first: at === 0,
          own: token[OWN] === 1, on: mine && (stop.checked || token[STOP] === 0) };
      });
    });
    return layout.value === "packed" ? [found[0].concat(found[1])] : found;
  }

  function show() {
    var widest = layout.value === "packed" ? together : longest, full = Number(cut.max) === Number(cut.value);
    cut.max = widest;
    if (full || Number(cut.value) > widest) cut.value = widest;
    var length = Number(cut.value), on = 0, all = 0, answers = 0, ended = 0;
    var lines = laid().map(function (row) {
      row.forEach(function (token, at) { if (token.own && !row[at - 1].own) answers += 1; });
      row = row.slice(0, length);
      row.forEach(function (token) {
        all += 1;
        if (token.on) on += 1;
        if (token.own && token.stop && token.on) ended += 1;
      });
      var tokens = row.map(function (token) {
        var kind = "lp-token lp-" + token.role + (token.on ? " lp-on" : "") + (token.first ? " lp-first" : "");
        return make("span", { "class": kind, title: token.role + (token.on ? ", trained on" : ", not trained on") }, [token.text]);
      });
      for (var k = row.length; k < Math.min(length, widest); k++) tokens.push(make("span", { "class": "lp-token lp-pad", title: "padding" }, ["·"]));
      return make("p", { "class": "lp-row" }, tokens);
    });
    fill(rows, lines);
    cut.setAttribute("aria-valuetext", length + " tokens");
    fill(status, ["Trained on " + on + " of " + all + " tokens; " + ended + " of " + answers + " answers end in a stop token that has a label; rows of " + length + " tokens."]);
    var wanted = which.value === "last" ? data.talks.length : answers;
    fill(warning, [ended >= wanted ? "" : stop.checked ? "An answer was cut off, and its stop token with it." : "Nothing teaches the model to stop."]);
  }

  [which, stop, layout].forEach(function (control) { control.addEventListener("change", show); });
  cut.addEventListener("input", show);
  show();
})();
