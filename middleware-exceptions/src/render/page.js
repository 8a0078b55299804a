for (const button of document.querySelectorAll("button[data-copy]")) {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      source.closest("details").open = true;
      getSelection().selectAllChildren(source);
      button.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}
const all = document.getElementById("all-frames");
if (all) {
  all.hidden = false;
  all.addEventListener("click", () => {
    const open = all.getAttribute("aria-pressed") === "false";
    all.setAttribute("aria-pressed", open);
    all.textContent = open ? "Fold frames" : "All frames";
    for (const others of document.querySelectorAll(".others details")) others.open = open;
  });
}
