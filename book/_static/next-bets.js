// Three models' bets on the next token, side by side, after whatever of a typed text is stored as a tree of beginnings.
(function () {
  "use strict";
  var root = document.getElementById("next-bets");
  if (!root) return;
  var make = window.fsllmTool.make, fill = window.fsllmTool.fill;
  var data = JSON.parse(root.querySelector(".interactive-data").textContent);
  var children = data.nodes.map(function () { return {}; });
  data.nodes.forEach(function (node, i) { if (node[0] >= 0) children[node[0]][node[1]] = i; });

  // The stored beginning that takes most of the text: how much of it is read, and where in the tree that is.
  function find(text, at, from) {
    var best = { node: at, read: from };
    Object.keys(children[at]).forEach(function (token) {
      var piece = data.tokens[token], found;
      if (!piece || text.substr(from, piece.length) !== piece) return;
      found = find(text, children[at][token], from + piece.length);
      if (found.read > best.read) best = found;
    });
    return best;
  }

  function typed(node) {
    return data.nodes[node][0] < 0 ? "" : typed(data.nodes[node][0]) + data.tokens[data.nodes[node][1]];
  }

  function path(node) { return data.nodes[node][0] < 0 ? [] : path(data.nodes[node][0]).concat([data.nodes[node][1]]); }

  function visible(text) { return text.replace(/\n/g, "↵"); }

  function percent(share) { return (share / 10).toFixed(1) + " %"; }

  var input = make("input", { type: "text", id: "bets-text", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  var choice = make("select", { id: "bets-choice" }, [make("option", { value: "" }, ["choose a text"])].concat(
    data.texts.map(function (text, i) { return make("option", { value: i }, [visible(text)]); })));
  var back = make("button", { type: "button" }, ["Take the last token back"]);
  var status = make("p", { "class": "nb-status", role: "status" }), read = make("p", { "class": "nb-read" });
  var columns = data.models.map(function (name) {
    return { list: make("ol", { "class": "nb-bars", "aria-label": "Bets: " + name }), name: name };
  });
  root.appendChild(make("div", { "class": "nb fsllm-tool" }, [
    make("label", { "for": "bets-text" }, ["Type the beginning of a text"]), input,
    make("label", { "for": "bets-choice" }, ["or choose one"]), choice, read, status,
    make("div", { "class": "nb-columns" }, columns.map(function (column) {
      return make("div", {}, [make("p", { "class": "nb-name" }, [column.name]), column.list]);
    })),
    back,
    make("p", { "class": "fsllm-tool-legend" }, [
      data.nodes.length + " beginnings are stored, with the four best bets of each model. A bet that can be pressed goes on from there. ",
      "␣ is a space, ↵ a line break. The table has counted an eighth of the text that the two networks have read whole."
    ])
  ]));
  var now = 0;

  function bars(column, node, row) {
    var bets = data.nodes[node][row + 2], items = [], i;
    for (i = 0; i < bets.length; i += 2) items.push([bets[i], bets[i + 1]]);
    fill(column.list, items.map(function (bet) {
      var name = data.shown[bet[0]], go = children[node][bet[0]], label;
      if (go === undefined) label = make("span", { "class": "fsllm-tool-token" }, [name]);
      else {
        label = make("button", { type: "button", "class": "fsllm-tool-token", "aria-label": "go on with " + name + ", " + percent(bet[1]) }, [name]);
        label.addEventListener("click", function () { input.value = visible(typed(go)); show(go); });
      }
      return make("li", {}, [label, make("span", { "class": "nb-track", "aria-hidden": "true" }, [
        make("span", { style: "width:" + (bet[1] / 10).toFixed(1) + "%" })
      ]), make("span", { "class": "nb-share" }, [percent(bet[1])])]);
    }));
  }

  function show(node) {
    var tokens = path(node), rest = input.value.replace(/↵/g, "\n").slice(typed(node).length);
    now = node;
    fill(read, tokens.length ? tokens.map(function (token) {
      return make("span", { "class": "nb-token fsllm-tool-token" }, [data.shown[token]]);
    }) : [make("span", {}, ["(the beginning of a text)"])]);
    columns.forEach(function (column, row) { bars(column, node, row); });
    fill(status, [rest ? "Not stored from “" + visible(rest) + "” on: these are the bets before it." :
      "The bets on what follows " + (tokens.length ? "these " + tokens.length + " tokens." : "the start of a text.")]);
    back.setAttribute("aria-disabled", tokens.length ? "false" : "true");
    root.setAttribute("data-node", String(node));
  }

  function look() { show(find(input.value.replace(/↵/g, "\n"), 0, 0).node); }

  input.addEventListener("input", look);
  choice.addEventListener("change", function () {
    if (choice.value === "") return;
    input.value = visible(data.texts[Number(choice.value)]);
    look();
    choice.value = "";
  });
  back.addEventListener("click", function () {
    if (data.nodes[now][0] < 0) return;
    input.value = visible(typed(data.nodes[now][0]));
    show(data.nodes[now][0]);
  });
  input.value = "Ada is a teacher. She lives on";
  look();
})();
