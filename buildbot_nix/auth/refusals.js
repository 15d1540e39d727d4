// Shows why the master refused something. Buildbot's page looks for the reason where axios does not
// put it, and shows nothing; only its dialog that starts builds does.
(() => {
  const { open } = XMLHttpRequest.prototype;

  XMLHttpRequest.prototype.open = function (method, url, ...others) {
    const { pathname } = new URL(url, document.baseURI);
    if (method.toUpperCase() === "POST" && !pathname.includes("/forceschedulers/")) {
      this.addEventListener("load", () => this.status >= 400 && show(reasonOf(this.response)));
    }
    return open.call(this, method, url, ...others);
  };

  function reasonOf(answer) {
    try {
      return JSON.parse(answer).error.message;
    } catch {
      return "the master has refused this, and gave no reason";
    }
  }

  function show(reason) {
    const box = document.createElement("div");
    box.className = "alert alert-danger";
    box.role = "alert";
    box.style = "position: fixed; top: 5em; left: 50%; transform: translateX(-50%); z-index: 2000";
    // As text: what it says may be anybody's.
    box.textContent = reason;
    document.body.append(box);
    for (const event of ["click", "hashchange"]) {
      window.addEventListener(event, () => box.remove(), { once: true });
    }
  }
})();
