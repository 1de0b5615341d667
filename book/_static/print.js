// Paper is light and nothing on it can be opened: while the page is printed, so is the mode, and answers stand open.
(function () {
  "use strict";
  var root = document.documentElement, before = null, opened = [];
  addEventListener("beforeprint", function () {
    before = root.dataset.theme;
    root.dataset.theme = "light";
    opened = Array.from(document.querySelectorAll("article details:not([open])"));
    opened.forEach(function (details) { details.open = true; });
  });
  addEventListener("afterprint", function () {
    if (before) root.dataset.theme = before;
    opened.forEach(function (details) { details.open = false; });
  });
})();
