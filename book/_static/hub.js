// Turns the address of a reader's own JupyterHub and a notebook into the nbgitpuller link that opens it there.
(function () {
  "use strict";
  var form = document.querySelector("form.fsllm-hub");
  if (!form) return;
  var hub = form.elements.hub;
  var notebook = form.elements.notebook;
  var output = form.querySelector("output");
  var wanted = new URLSearchParams(window.location.search).get("notebook");
  Array.prototype.forEach.call(notebook.options, function (option) {
    if (option.value === wanted) notebook.value = wanted;
  });
  // Storage is refused in some private windows; the form works without it.
  try { hub.value = window.localStorage.getItem("fullstack-llm-hub") || ""; } catch (error) { hub.value = ""; }

  function show() {
    output.textContent = "";
    if (!hub.value) return;
    if (!hub.checkValidity() || !/^https?:\/\//.test(hub.value)) {
      output.textContent = "Write the whole address, with https:// in front.";
      return;
    }
    try { window.localStorage.setItem("fullstack-llm-hub", hub.value); } catch (error) { /* see above */ }
    var repository = form.dataset.repository;
    var folder = repository.replace(/\/+$/, "").split("/").pop();
    var query = new URLSearchParams({
      repo: repository,
      branch: form.dataset.branch,
      urlpath: "lab/tree/" + folder + "/" + notebook.value
    });
    var link = document.createElement("a");
    link.href = hub.value.replace(/\/+$/, "") + "/hub/user-redirect/git-pull?" + query;
    link.textContent = "Open " + notebook.value + " on this hub";
    output.appendChild(link);
  }
  form.addEventListener("input", show);
  form.addEventListener("submit", function (event) { event.preventDefault(); show(); });
  show();
})();
