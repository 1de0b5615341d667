// Shows the people, places and streets of Tinytown with their facts, and how documents put them.
(function () {
  "use strict";
  var root = document.getElementById("town-browser");
  if (!root) return;
  var data = JSON.parse(root.querySelector(".interactive-data").textContent);
  var PRONOUNS = { f: ["she", "her", "her"], m: ["he", "his", "him"], n: ["it", "its", "it"] };
  var GROUPS = {
    character: "One of the characters of this book.",
    told: "Documents tell these facts, and training asks about them.",
    unasked: "Documents tell these facts, and nothing that trains asks about them: this person is kept for tests.",
    untold: "Documents give this name and tell nothing else."
  };
  var MOST = 12, SHOWN = 3, PERSON = data.relations.length - 3;

  // ---- the world: an entry for every person, place and street; the facts that lead to it from others

  var entries = [], byName = Object.create(null), byAnchor = Object.create(null);

  function add(kind, name, sex, group, relations, objects) {
    var entry = { kind: kind, name: name, sex: sex, group: group, facts: [], leads: [], index: entries.length };
    relations.forEach(function (relation, i) {
      if (objects[i]) entry.facts.push({ relation: relation[0], label: relation[1], object: objects[i] });
    });
    entry.anchor = kind + "-" + name.replace(/ /g, "-");
    entries.push(entry);
    byName[name] = byAnchor[entry.anchor] = entry;
  }

  data.people.forEach(function (row) {
    add("person", row[0], row[1], row[2], data.relations.slice(0, PERSON), row.slice(3));
  });
  data.places.forEach(function (row) { add("place", row[0], "n", "", data.relations.slice(PERSON), row.slice(1)); });
  data.streets.forEach(function (name) { add("street", name, "n", "", [], []); });
  entries.forEach(function (entry) {
    entry.facts.forEach(function (fact) {
      if (byName[fact.object]) byName[fact.object].leads.push({ label: fact.label, relation: fact.relation, from: entry });
    });
  });

  // ---- facts as sentences, as the package writes them

  function capital(text) { return text.charAt(0).toUpperCase() + text.slice(1); }

  function sentence(entry, template) {
    var words = PRONOUNS[entry.sex];
    var slots = { n: entry.name, s: entry.name + "'s", m: entry.name, r: words[1], p: words[0] };
    entry.facts.forEach(function (fact) {
      slots[fact.relation] = fact.object;
      slots["a_" + fact.relation] = (data.the.indexOf(fact.object) < 0 ? "a " : "the ") + fact.object;
    });
    return capital(template.replace(/\{(\w+)\}/g, function (whole, slot) { return slots[slot]; }));
  }

  // ---- the page

  function make(tag, attributes, children) {
    var element = document.createElement(tag);
    Object.keys(attributes).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    return fill(element, children || []);
  }

  function fill(element, children) {
    element.textContent = "";
    children.forEach(function (child) {
      element.appendChild(typeof child === "string" ? document.createTextNode(child) : child);
    });
    return element;
  }

  function link(name) {
    return byName[name] ? make("a", { href: "#" + byName[name].anchor }, [name]) : name;
  }

  function listed(names) {
    return names.reduce(function (out, name, i) { return out.concat(i ? [", "] : [], [link(name)]); }, []);
  }

  function said(entry, fact) {
    var phrases = data.phrases[fact.relation], trained = phrases[0], held = phrases[1];
    var rows = [], count = "said in " + trained.length + " ways";
    for (var i = 0; i < Math.min(SHOWN, trained.length); i++) {
      rows.push(make("li", {}, [sentence(entry, trained[(entry.index + i) % trained.length])]));
    }
    rows.push(make("li", { "class": "town-held" }, [
      make("b", {}, ["Held out: "]), sentence(entry, held[entry.index % held.length])
    ]));
    rows.push(make("li", {}, [make("b", {}, ["Asked: "]), sentence(entry, phrases[2])]));
    return make("details", { "class": "town-how" }, [
      make("summary", { "aria-label": capital(fact.label) + ": " + count }, [count]), make("ul", {}, rows)
    ]);
  }

  function inverse(entry) {
    var kinds = [], found = Object.create(null);
    entry.leads.forEach(function (lead) {
      if (!found[lead.relation]) { found[lead.relation] = { lead: lead, names: [] }; kinds.push(found[lead.relation]); }
      found[lead.relation].names.push(lead.from.name);
    });
    return kinds.map(function (kind) {
      var titles = { home: "people who live here", street: "places on it", workplace: "people who work here" };
      var title = titles[kind.lead.relation] || kind.lead.label + " of";
      return make("div", {}, [make("dt", {}, [title]), make("dd", {}, listed(kind.names))]);
    });
  }

  function card(entry) {
    var parts = [heading];
    fill(heading, [capital(entry.name)]);
    if (GROUPS[entry.group]) parts.push(make("p", { "class": "town-group" }, [GROUPS[entry.group]]));
    if (entry.group === "untold") {
      parts.push(make("p", { "class": "town-untold" }, [
        "Nothing is told about " + entry.name + ": a good answer is “" + data.unknown + "”"
      ]));
    }
    if (entry.facts.length) {
      parts.push(make("dl", { "class": "town-facts" }, entry.facts.map(function (fact) {
        return make("div", {}, [
          make("dt", {}, [fact.label]), make("dd", {}, [make("span", {}, [link(fact.object)]), said(entry, fact)])
        ]);
      })));
    }
    var leads = inverse(entry);
    if (leads.length) {
      parts.push(make("p", { "class": "town-leads" }, ["Facts of others that lead here:"]));
      parts.push(make("dl", { "class": "town-facts" }, leads));
    }
    fill(box, parts);
  }

  function find() {
    var wanted = field.value.trim().toLowerCase();
    var hits = wanted ? entries.filter(function (entry) {
      var name = entry.name.toLowerCase();
      return name.indexOf(wanted) === 0 || name.indexOf(" " + wanted) > 0;
    }) : entries.filter(function (entry) { return entry.group === "character"; });
    var more = hits.length > MOST ? " The first " + MOST + " are shown." : "";
    fill(status, [!wanted ? "The characters:" : hits.length ? hits.length + " found." + more
      : "Nobody and nothing in Tinytown has this name: a good answer is “" + data.unknown + "”"]);
    fill(results, hits.slice(0, MOST).map(function (entry) {
      var item = make("a", { href: "#" + entry.anchor }, [entry.name]);
      if (entry === current) item.setAttribute("aria-current", "true");
      return make("li", {}, [item]);
    }));
    return hits;
  }

  function show(entry, focus) {
    current = entry;
    card(entry);
    find();
    if (focus) heading.focus();
  }

  function here() { return byAnchor[decodeURIComponent(window.location.hash.slice(1))]; }

  var first = byName.Ada || entries[0], current = first;
  var field = make("input", { type: "search", id: "town-find", autocomplete: "off", spellcheck: "false" });
  var status = make("p", { "class": "town-status", role: "status" });
  var results = make("ul", { "class": "town-results" });
  var heading = make("h3", { tabindex: "-1", "class": "town-who" });
  var box = make("div", { "class": "town-card" });
  var form = make("form", { role: "search", "aria-label": "Tinytown" }, [
    make("label", { "for": "town-find" }, ["Find a person, a place or a street"]), field
  ]);
  root.appendChild(make("div", { "class": "town" }, [form, status, results, box]));
  field.addEventListener("input", find);
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    var hits = find();
    if (!field.value.trim() || !hits.length) return;
    if (window.location.hash === "#" + hits[0].anchor) show(hits[0], true);
    else window.location.hash = hits[0].anchor;
  });
  // The map and the card link to anchors; a link to whoever is shown already changes no hash.
  document.addEventListener("click", function (event) {
    var target = event.target.closest ? event.target.closest("a[href^='#']") : null;
    var entry = target && byAnchor[decodeURIComponent(target.getAttribute("href").slice(1))];
    if (entry && entry === here()) show(entry, true);
  });
  window.addEventListener("hashchange", function () {
    if (here()) show(here(), true);
    else if (!window.location.hash) show(first, false);
  });
  show(here() || current, Boolean(here()));
})();
