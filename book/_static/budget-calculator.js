// Chooses size and tokens for a budget; the formulas are those of fullstack_llm.scaling.budget and .repeats.
(function () {
  "use strict";
  var root = document.getElementById("budget-calculator");
  if (!root) return;
  var make = window.fsllmTool.make, fill = window.fsllmTool.fill;
  var data = JSON.parse(root.querySelector(".interactive-data").textContent);
  var FLOP = 6, SERVED = 2, GOLDEN = (Math.sqrt(5) - 1) / 2, WIDTH = 1e-9;
  // Name, label, what it begins with, the least and the most that it may be, whether it may be left empty.
  var FIELDS = [
    ["flop", "budget (FLOP)", 1e12, 1e6, 1e30], ["served", "tokens to serve", 0, 0, 1e20],
    ["unique", "different tokens to train on (empty: enough)", "", 1, 1e20, true],
    ["peak", "machine's peak (TFLOP a second)", data.machine.peak, 1e-6, 1e9],
    ["training", "used in training (%)", data.machine.training, 0.01, 100],
    ["serving", "used in serving (%)", data.machine.serving, 0.01, 100],
    ["hourly", "price of an hour ($)", data.machine.hourly, 0, 1e6]
  ];

  // ---- the formulas

  function lossOf(law, n, d) { return law.E + law.A / Math.pow(n, law.alpha) + law.B / Math.pow(d, law.beta); }

  function effective(tokens, unique, worth) {
    if (tokens <= unique || !isFinite(worth)) return tokens;
    return unique + unique * worth * -Math.expm1(-(tokens / unique - 1) / worth);
  }

  function valley(value, low, high) {
    var a = high - GOLDEN * (high - low), b = low + GOLDEN * (high - low), atA = value(a), atB = value(b);
    while (high - low > WIDTH) {
      if (atA < atB) {
        high = b; b = a; atB = atA; a = high - GOLDEN * (high - low); atA = value(a);
      } else {
        low = a; a = b; atA = atB; b = low + GOLDEN * (high - low); atB = value(b);
      }
    }
    return (low + high) / 2;
  }

  function best(law, flop, demand) {
    var extra = SERVED * demand.premium * demand.served;
    function tokens(x) { return Math.max((flop / Math.exp(x) - extra) / FLOP, 1); }
    function loss(x) { return lossOf(law, Math.exp(x), effective(tokens(x), demand.unique, demand.worth)); }
    var high = Math.log(flop / (FLOP + extra)), x = valley(loss, Math.min(0, high), high), n = Math.exp(x), d = tokens(x);
    return { parameters: n, tokens: d, epochs: Math.max(1, d / demand.unique), loss: loss(x),
      training: FLOP * n * d, serving: SERVED * n * demand.served };
  }

  function quantile(values, share) {
    var sorted = values.slice().sort(function (a, b) { return a - b; }), at = share * (sorted.length - 1), i = Math.floor(at);
    return sorted[i] + (at - i) * ((i + 1 < sorted.length ? sorted[i + 1] : sorted[i]) - sorted[i]);
  }

  function dollars(flop, peak, share, hourly) { return flop / (peak * 1e12 * share / 100) / 3600 * hourly; }

  // ---- numbers for people

  function amount(number) {
    var units = ["", " K", " M", " B", " T"], i = 0;
    while (number >= 999.5 && i < units.length - 1) { number /= 1000; i++; }
    return (number >= 999.5 ? number.toExponential(2) : number >= 100 || (!i && number >= 10) ? Math.round(number) : Number(number.toPrecision(3))) + units[i];
  }

  function money(number) {
    if (!number) return "$0";
    if (number >= 0.995) return "$" + (number < 1e5 ? number.toPrecision(3) / 1 : Number(number.toPrecision(3))).toLocaleString("en");
    return "$" + number.toExponential(1);
  }

  function between(ends, show) { return ends ? show(ends[0]) + " to " + show(ends[1]) : "unknown"; }

  // ---- the page

  var inputs = {}, names = Object.keys(data.laws);
  var chosen = make("select", { id: "budget-law" }, names.map(function (name) { return make("option", { value: name }, [name]); }));
  var fields = FIELDS.map(function (field) {
    var input = make("input", { type: "number", id: "budget-" + field[0], min: field[3], max: field[4], step: "any" });
    input.value = String(field[2]);
    inputs[field[0]] = input;
    return make("div", {}, [make("label", { "for": "budget-" + field[0] }, [field[1]]), input]);
  });
  var warning = make("p", { "class": "bc-warning", role: "status" }), table = make("table", {});
  var notes = make("div", { "class": "bc-notes" });
  root.appendChild(make("div", { "class": "bc fsllm-tool" }, [
    make("label", { "for": "budget-law" }, ["Law of"]), chosen, make("div", { "class": "bc-fields" }, fields), warning,
    make("div", { "class": "bc-scroll", tabindex: 0, role: "region", "aria-label": "What the budget buys" }, [table]), notes,
    make("p", { "class": "fsllm-tool-legend" }, [
      "One budget pays for training, 6 FLOP a parameter and token, and for serving, 2 of them, dearer by the ratio of the two shares. ",
      "Ranges: 90 % of laws fitted to runs drawn anew. They hold where the law holds, and say nothing about where it does not. ",
      "Machine, shares and price are assumptions of " + data.machine.date + ": put your own."
    ])
  ]));

  function read() {
    var values = {};
    FIELDS.forEach(function (field) {
      var text = inputs[field[0]].value;
      values[field[0]] = text === "" && field[5] ? Infinity : text === "" ? NaN : Number(text);
    });
    return values;
  }

  function wrong(values) {
    for (var i = 0; i < FIELDS.length; i++) {
      var field = FIELDS[i], value = values[field[0]];
      if (field[5] && value === Infinity && inputs[field[0]].value === "" && !inputs[field[0]].validity.badInput) continue;
      if (!(value >= field[3] && value <= field[4])) return "Give for “" + field[1] + "” a number from " + amount(field[3]) + " to " + amount(field[4]) + ".";
    }
    return "";
  }

  function remarks(family, values, plan, alone) {
    var said = [];
    if (values.flop < family.from || values.flop > family.to) {
      said.push("The runs behind this law cost " + family.from.toExponential(0) + " to " + family.to.toExponential(0) + " FLOP: this is an extrapolation.");
    }
    if (plan.epochs > family.epochs) {
      said.push("Each token is read " + amount(plan.epochs) + " times; beyond " + family.epochs + " times the formula for repeats was not found to hold.");
    }
    if (values.served > 0 || plan.epochs > 1) {
      said.push("With fresh data and nothing to serve, the same budget would buy " + amount(alone.parameters) + " parameters, " +
        amount(alone.tokens) + " tokens and a loss of " + alone.loss.toFixed(3) + ".");
    }
    return said;
  }

  function row(cells, head) {
    return make("tr", {}, cells.map(function (cell, i) {
      return make(head || !i ? "th" : "td", head ? { scope: "col" } : i ? {} : { scope: "row" }, [cell]);
    }));
  }

  function draw() {
    var values = read(), problem = wrong(values), family = data.laws[chosen.value];
    fill(warning, problem ? [problem] : []);
    if (problem) return;
    var premium = values.training / values.serving;
    function demand(worth) { return { served: values.served, unique: values.unique, worth: worth, premium: premium }; }
    var plan = best(family.law, values.flop, demand(family.worth));
    var alone = best(family.law, values.flop, { served: 0, unique: Infinity, worth: Infinity, premium: 1 });
    var again = family.drawn.map(function (one) { return best(one.law, values.flop, demand(one.worth)); });
    function ends(name) {
      var found = again.map(function (one) { return one[name]; });
      return found.length ? [quantile(found, 0.05), quantile(found, 0.95)] : null;
    }
    function nats(number) { return number.toFixed(3); }
    var training = dollars(plan.training, values.peak, values.training, values.hourly);
    var serving = dollars(plan.serving, values.peak, values.serving, values.hourly);
    fill(table, [
      make("thead", {}, [row(["quantity", "best", "range"], true)]),
      make("tbody", {}, [
        row(["parameters", amount(plan.parameters), between(ends("parameters"), amount)]),
        row(["tokens of training", amount(plan.tokens), between(ends("tokens"), amount)]),
        row(["times each is read", Number(plan.epochs.toPrecision(3)).toString(), ""]),
        row(["loss (nats a token)", nats(plan.loss), between(ends("loss"), nats)]),
        row(["training costs", money(training), ""]), row(["serving costs", money(serving), ""])
      ])
    ]);
    fill(notes, remarks(family, values, plan, alone).map(function (text) { return make("p", {}, [text]); }));
    root.setAttribute("data-plan", JSON.stringify({ plan: plan, parameters: ends("parameters"), tokens: ends("tokens"), loss: ends("loss"), training: training, serving: serving }));
  }

  chosen.addEventListener("change", draw);
  Object.keys(inputs).forEach(function (name) { inputs[name].addEventListener("input", draw); });
  draw();
})();
