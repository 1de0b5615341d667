// What all interactives share: making elements, and filling them.
(function () {
  "use strict";
  function fill(element, children) {
    element.textContent = "";
    children.forEach(function (child) {
      element.appendChild(typeof child === "string" ? document.createTextNode(child) : child);
    });
    return element;
  }

  function make(tag, attributes, children) {
    var element = document.createElement(tag);
    Object.keys(attributes).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    return fill(element, children || []);
  }

  window.fsllmTool = { fill: fill, make: make };
})();
